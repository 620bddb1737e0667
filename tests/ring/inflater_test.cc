// Compressed captures: members and frames are one stream; a stream that is cut or damaged is reported,
// and what stands before comes out.

#include "ring/inflater.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

#include "tests/ring/byte_input_support.h"

namespace tcpeek::ring::savefile_test {
namespace {

TEST(InflaterTest, MembersAndFramesAreOneStream) {
  const Octets one = content(100'000), two = content(50'001), three = content(3);
  const Octets all = joined(joined(one, two), three);
  expect_whole(through_file(joined(joined(gzip(one), gzip(two)), gzip(three))), all, "gzip");
  expect_whole(through_pipe(joined(joined(zstd(one), zstd(two, false)), zstd(three))), all, "zstd");
  // Empty ones anywhere.
  const Octets none;
  expect_whole(through_file(joined(joined(gzip(none), gzip(one)), gzip(none))), one, "gzip");
  expect_whole(through_file(joined(joined(zstd(none), zstd(one)), zstd(none))), one, "zstd");
  expect_whole(through_file(gzip(none)), none, "gzip of nothing");
  expect_whole(through_file(zstd(none)), none, "zstd of nothing");
}

TEST(InflaterTest, PaddingAfterGzipIsNotRead) {
  const Octets bytes = content(5000);
  for (const std::size_t zeroes : {1U, 2U, 511U, 300'000U}) {
    expect_whole(through_file(joined(gzip(bytes), Octets(zeroes))), bytes, "zeroes");
  }
}

TEST(InflaterTest, ZstdContentThatFillsTheBufferIsWhole) {
  for (const std::size_t size : {(1UL << 20) - 1, 1UL << 20, (1UL << 20) + 1}) {
    const Octets bytes(size, std::byte{7});
    for (const bool told : {true, false}) {
      expect_whole(through_file(zstd(bytes, told)), bytes, std::to_string(size) + " bytes");
    }
  }
}

// The end of a frame and the end of what was asked for in one place.
TEST(InflaterTest, ContentThatFillsTheRoomToItsEndIsWhole) {
  const Octets bytes = content(1000);
  for (const auto& [compression, packed] :
       {std::pair(Compression::gzip, gzip(bytes)), std::pair(Compression::zstd, zstd(bytes)),
        std::pair(Compression::zstd, zstd(bytes, false))}) {
    for (const std::size_t room : {1U, 10U, 500U, 999U, 1000U, 1001U}) {
      const TempFile file(packed);
      const auto inflater = make_inflater(
          compression, FdSource(Descriptor(::open(file.path().c_str(), O_RDONLY)), -1));
      Octets out, piece(room);
      while (const std::size_t got = inflater->read(piece)) {
        out.insert(out.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
      }
      EXPECT_TRUE(out == bytes) << room;
      EXPECT_EQ(inflater->trouble(), "") << "room for " << room;
    }
  }
}

TEST(InflaterTest, CompressedStreamCutAtEveryByteIsTold) {
  const Octets one = content(1200), two = content(300);
  const Octets all = joined(one, two);
  for (const bool gzipped : {true, false}) {
    const Octets first = gzipped ? gzip(one) : zstd(one);
    const Octets packed = joined(first, gzipped ? gzip(two) : zstd(two));
    for (std::size_t size = 4; size < packed.size(); ++size) {
      const BytesRead read = through_file(first_of(packed, size));
      const std::string way = (gzipped ? "gzip cut at " : "zstd cut at ") + std::to_string(size);
      if (size == first.size()) {
        expect_whole(read, one, way);
      } else {
        expect_prefix(read, all, way);
        if (size > first.size()) {
          EXPECT_GE(read.bytes.size(), one.size()) << way;
        }
      }
    }
  }
}

TEST(InflaterTest, AnyChangedByteOfAGzipStreamIsToldOrHarmless) {
  const Octets bytes = content(1500);
  const Octets packed = gzip(bytes);
  for (std::size_t at = 10; at < packed.size(); ++at) {
    Octets damaged = packed;
    damaged[at] ^= std::byte{0x10};
    const BytesRead read = through_file(damaged);
    EXPECT_TRUE(!read.trouble.empty() || read.bytes == bytes) << at;
  }
}

TEST(InflaterTest, AnyChangedByteOfAZstdStreamIsToldOrHarmless) {
  const Octets bytes = content(1500);
  const Octets packed = zstd(bytes);
  for (std::size_t at = 4; at < packed.size(); ++at) {
    Octets damaged = packed;
    damaged[at] ^= std::byte{0x10};
    const BytesRead read = through_file(damaged);
    EXPECT_TRUE(!read.trouble.empty() || read.bytes == bytes) << at;
  }
}

// A pipe that stalls: all that can be made of what has come is there, whatever comes later.
TEST(InflaterTest, WhatHasComeIsNotHeldBackByAPipeThatStalls) {
  const Octets bytes(100'000, std::byte{7});
  for (const auto& [compression, packed] :
       {std::pair(Compression::gzip, gzip(bytes)), std::pair(Compression::zstd, zstd(bytes))}) {
    constexpr std::size_t kTrailer = 4;  // it misses some of it, and waits for that
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const Descriptor writing(ends[1]);
    const Descriptor event(::eventfd(0, EFD_CLOEXEC));
    const std::size_t size = packed.size() - kTrailer;
    ASSERT_EQ(::write(writing.get(), packed.data(), size), static_cast<ssize_t>(size));
    const auto inflater = make_inflater(compression, FdSource(Descriptor(ends[0]), event.get()));
    std::atomic<bool> interrupted{false};
    std::jthread deadline([&](const std::stop_token& stop) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      while (!stop.stop_requested() && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      interrupted = !stop.stop_requested();
      ::eventfd_write(event.get(), 1);
    });
    std::size_t got = 0;
    for (Octets piece(1000); got < bytes.size() && !interrupted;) got += inflater->read(piece);
    EXPECT_FALSE(interrupted) << "compression " << static_cast<int>(compression) << ": " << got;
  }
}

// Stored, so that a changed byte harms no byte before it.
TEST(InflaterTest, AllBeforeTheDamageOfAGzipStreamComesOut) {
  const Octets bytes = noise(600'000);
  Octets packed = gzip(bytes, 0);
  packed[packed.size() - 1] ^= std::byte{1};  // the length, checked last of all
  const BytesRead read = through_file(packed);
  expect_prefix(read, bytes, "gzip");
  EXPECT_EQ(read.bytes.size(), bytes.size());
}

// A block of zstd's is 128 KiB at most: those before the damaged one are good.
TEST(InflaterTest, AllBlocksBeforeTheDamageOfAZstdStreamComeOut) {
  constexpr std::size_t kBlock = 128 << 10;
  for (const bool told : {true, false}) {
    for (const std::byte easy : {std::byte{0xff}, std::byte{0x01}}) {
      Octets bytes = noise(kBlock * 6);
      for (std::byte& b : bytes) b &= easy;
      Octets packed = zstd(bytes, told);
      packed[packed.size() - 1] ^= std::byte{1};  // the checksum at the end
      const BytesRead read = through_file(packed);
      expect_prefix(read, bytes, "zstd");
      EXPECT_GE(read.bytes.size(), kBlock * 5)
          << (told ? "size told, " : "size not told, ") << packed.size() << " bytes packed";
    }
  }
}

TEST(InflaterTest, AllFramesBeforeTheDamageComeOut) {
  const Octets bytes = content(20'000);
  Octets gzipped = joined(gzip(bytes), gzip(bytes));
  gzipped[gzipped.size() - 5] ^= std::byte{1};
  Octets zstandard = joined(zstd(bytes), zstd(bytes));
  zstandard[zstandard.size() - 1] ^= std::byte{1};
  for (const Octets& packed : {gzipped, zstandard}) {
    const BytesRead read = through_file(packed);
    expect_prefix(read, joined(bytes, bytes), "the second is damaged");
    EXPECT_GE(read.bytes.size(), bytes.size());
  }
}

TEST(InflaterTest, GarbageAfterAZstdFrameIsTold) {
  const Octets bytes = content(5000);
  const BytesRead read = through_file(joined(zstd(bytes), Octets(100, std::byte{0x55})));
  expect_prefix(read, bytes, "zstd");
  EXPECT_EQ(read.bytes.size(), bytes.size());
}

// A stream socket whose other end goes away with bytes unread: read() fails after the last byte.
BytesRead through_reset_socket(const Octets& bytes, Compression compression) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  EXPECT_EQ(::write(ends[0], "x", 1), 1);
  EXPECT_EQ(::write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  ::close(ends[1]);
  const auto inflater = make_inflater(compression, FdSource(Descriptor(ends[0]), -1));
  BytesRead read;
  Octets piece(100);
  while (const std::size_t got = inflater->read(piece)) {
    read.bytes.insert(read.bytes.end(), piece.begin(),
                      piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
  read.trouble = inflater->trouble();
  return read;
}

TEST(InflaterTest, FailingReadIsToldByItsOwnName) {
  const Octets bytes = content(2000);
  const struct {
    Compression compression;
    Octets packed;
  } cases[] = {{Compression::none, bytes},
               {Compression::gzip, gzip(bytes)},
               {Compression::zstd, zstd(bytes)}};
  const std::string reset = std::generic_category().message(ECONNRESET);
  for (const auto& c : cases) {
    for (const std::size_t cut : {std::size_t{0}, c.packed.size() / 2}) {
      const BytesRead read =
          through_reset_socket(first_of(c.packed, c.packed.size() - cut), c.compression);
      EXPECT_NE(read.trouble.find(reset), std::string::npos)
          << "compression " << static_cast<int>(c.compression) << ", " << cut << " bytes missing: '"
          << read.trouble << "'";
    }
  }
}

}  // namespace
}  // namespace tcpeek::ring::savefile_test
