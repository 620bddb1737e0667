// What the tests of inputs share: all bytes of one, read as a parser of records would.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "ring/byte_input.h"
#include "tests/ring/ways_in.h"

namespace tcpeek::ring::savefile_test {

struct BytesRead {
  Octets bytes;
  std::string trouble;
  std::uint64_t passed = 0;
  std::optional<std::uint64_t> total;
};

// Reads in steps of random length, as a parser of records would.
inline BytesRead read_bytes(std::unique_ptr<ByteInput> input, std::uint64_t seed = 1,
                            std::size_t longest = 3000) {
  std::mt19937_64 random(seed);
  BytesRead out;
  std::size_t used = 0;
  for (;;) {
    const std::size_t least = 1 + random() % longest;
    const auto window = input->next(used, least);
    if (window.empty()) break;
    if (window.size() < least) {
      EXPECT_EQ(input->next(0, least).size(), window.size()) << "the end is the end";
    }
    used = std::min(window.size(), least);
    out.bytes.insert(out.bytes.end(), window.begin(),
                     window.begin() + static_cast<std::ptrdiff_t>(used));
  }
  EXPECT_TRUE(input->next(0, 1).empty());
  out.trouble = input->trouble();
  out.passed = input->passed();
  out.total = input->total();
  return out;
}

inline BytesRead through_file(const Octets& bytes, std::uint64_t seed = 1,
                              std::size_t longest = 3000) {
  const TempFile file(bytes);
  return read_bytes(open_input(file.path(), -1), seed, longest);
}

inline BytesRead through_pipe(const Octets& bytes, std::uint64_t seed = 1) {
  FedPipe pipe(bytes, seed, 5000);
  return read_bytes(pipe.open(), seed);
}

inline void expect_whole(const BytesRead& read, const Octets& bytes, const std::string& way) {
  EXPECT_EQ(read.trouble, "") << way;
  EXPECT_EQ(read.bytes.size(), bytes.size()) << way;
  EXPECT_TRUE(read.bytes == bytes) << way;
}

inline void expect_prefix(const BytesRead& read, const Octets& bytes, const std::string& way) {
  EXPECT_NE(read.trouble, "") << way;
  ASSERT_LE(read.bytes.size(), bytes.size()) << way;
  EXPECT_TRUE(std::equal(read.bytes.begin(), read.bytes.end(), bytes.begin())) << way;
}

// Half of it hard to compress, half easy.
inline Octets content(std::size_t size) {
  Octets bytes = noise(size);
  for (std::size_t i = 0; i < size; ++i) {
    if (i / 1000 % 2 == 0) bytes[i] = std::byte{7};
  }
  return bytes;
}

}  // namespace tcpeek::ring::savefile_test
