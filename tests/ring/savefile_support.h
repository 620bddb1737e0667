// What the tests of capture files share: windows of exactly the bytes there are, and what came out,
// in copies.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ring/savefile.h"
#include "tests/support/savefile_writer.h"

namespace tcpeek::ring::savefile_test {

using test::Octets;

inline constexpr std::size_t kMost = 64;

struct Packet {
  Octets bytes;
  std::int64_t time_ns = 0;
  std::uint32_t wire_length = 0;
  std::uint32_t interface = 0;

  bool operator==(const Packet&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Packet& p) {
  return out << p.bytes.size() << " of " << p.wire_length << " bytes at " << p.time_ns << " on "
             << p.interface;
}

struct FileRead {
  std::vector<Packet> packets;
  std::vector<SavedInterface> interfaces;
  std::optional<Damage> damage;
  std::uint64_t damaged_times = 0;
  std::string refused;  // the constructor's words
};

// Reads all there is.
inline FileRead read_all(std::unique_ptr<ByteInput> input, std::size_t most = kMost) {
  FileRead out;
  std::optional<SavefileReader> reader;
  try {
    reader.emplace(std::move(input));
  } catch (const SavefileError& e) {
    out.refused = e.what();
    EXPECT_FALSE(out.refused.empty());
    return out;
  }
  std::vector<SavedPacket> packets;
  while (reader->read(packets, most)) {
    EXPECT_FALSE(packets.empty());
    EXPECT_LE(packets.size(), most);
    for (const SavedPacket& p : packets) {
      EXPECT_LT(p.interface, reader->interfaces().size());
      out.packets.push_back(
          {Octets(p.bytes.begin(), p.bytes.end()), p.time_ns, p.wire_length, p.interface});
    }
  }
  EXPECT_TRUE(packets.empty());
  EXPECT_FALSE(reader->read(packets, most)) << "the end is the end";
  out.interfaces = reader->interfaces();
  out.damage = reader->damage();
  out.damaged_times = reader->damaged_times();
  return out;
}

// Windows of exactly the bytes asked for, or up to `more` beyond, each a heap buffer of its own:
// the address sanitizer sees every byte read outside, and every use of a window that is gone.
class ExactInput final : public ByteInput {
 public:
  explicit ExactInput(Octets bytes, std::size_t more = 0, std::string trouble = {})
      : bytes_(std::move(bytes)), more_(more), trouble_(std::move(trouble)) {}

  std::span<const std::byte> next(std::size_t used, std::size_t least) override {
    EXPECT_LE(used, size_) << "more than the window is used";
    at_ += used;
    const std::size_t left = size_ - used;
    size_ = std::min(bytes_.size() - at_, std::max(least, left) + more_);
    window_ = std::make_unique<std::byte[]>(size_);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), size_, window_.get());
    ended_ = at_ + size_ == bytes_.size();
    return {window_.get(), size_};
  }
  std::string trouble() const override { return ended_ ? trouble_ : std::string(); }
  std::uint64_t passed() const noexcept override { return at_; }
  std::optional<std::uint64_t> total() const noexcept override { return bytes_.size(); }

 private:
  Octets bytes_;
  std::size_t more_;
  std::string trouble_;
  std::unique_ptr<std::byte[]> window_;
  std::size_t size_ = 0;
  std::size_t at_ = 0;
  bool ended_ = false;
};

inline FileRead read_exact(const Octets& bytes, std::size_t more = 0, std::size_t most = kMost) {
  return read_all(std::make_unique<ExactInput>(bytes, more), most);
}

inline Octets first_of(const Octets& bytes, std::size_t size) {
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
}

inline Octets pattern(std::size_t size, unsigned seed = 1) {
  Octets bytes;
  for (std::size_t i = 0; i < size; ++i) test::put8(bytes, (i * 7 + seed) & 0xff);
  return bytes;
}

inline Octets noise(std::size_t size, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  Octets bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

inline void expect_same(const FileRead& read, const FileRead& expected, const std::string& way) {
  EXPECT_EQ(read.refused, expected.refused) << way;
  ASSERT_EQ(read.packets.size(), expected.packets.size()) << way;
  for (std::size_t i = 0; i < read.packets.size(); ++i) {
    ASSERT_EQ(read.packets[i], expected.packets[i]) << way << ", packet " << i;
  }
  ASSERT_EQ(read.interfaces.size(), expected.interfaces.size()) << way;
  for (std::size_t i = 0; i < read.interfaces.size(); ++i) {
    EXPECT_EQ(read.interfaces[i].name, expected.interfaces[i].name) << way;
    EXPECT_EQ(read.interfaces[i].link_type, expected.interfaces[i].link_type) << way;
    EXPECT_EQ(read.interfaces[i].number, expected.interfaces[i].number) << way;
  }
  ASSERT_EQ(read.damage.has_value(), expected.damage.has_value()) << way;
  if (read.damage) {
    EXPECT_EQ(read.damage->offset, expected.damage->offset) << way;
  }
}

// The packets, and damage at an offset where there is some.
inline void expect_read(const FileRead& read, const std::vector<Packet>& packets,
                        std::optional<std::uint64_t> damage_at = {}) {
  EXPECT_EQ(read.refused, "");
  EXPECT_EQ(read.packets, packets);
  ASSERT_EQ(read.damage.has_value(), damage_at.has_value())
      << (read.damage ? read.damage->what : "no damage");
  if (!damage_at) return;
  EXPECT_EQ(read.damage->offset, *damage_at) << read.damage->what;
  EXPECT_FALSE(read.damage->what.empty());
}

}  // namespace tcpeek::ring::savefile_test
