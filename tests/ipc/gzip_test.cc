// What is compressed can be read again, by zlib itself.
#include "ipc/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <string>

#include "tests/support/seeds.h"

namespace tcpeek::ipc {
namespace {

std::string gunzip(const std::string& compressed, std::size_t size) {
  z_stream stream{};
  EXPECT_EQ(::inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
  std::string text(size + 1, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0U);
  text.resize(stream.total_out);
  ::inflateEnd(&stream);
  return text;
}

TEST(Gzip, ComesBackAsItWas) {
  tcpeek::test::for_each_seed(100, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string text(random() % 300'000, '\0');
    const std::uint64_t kinds = 1 + random() % 256;
    for (char& c : text) c = static_cast<char>(random() % kinds);
    ASSERT_EQ(gunzip(gzip(text), text.size()), text);
  });
  EXPECT_EQ(gunzip(gzip(""), 0), "");
}

}  // namespace
}  // namespace tcpeek::ipc
