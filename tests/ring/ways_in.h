// The ways in which a capture file may come: a file, a pipe, compressed.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "ring/byte_input.h"
#include "tests/ring/savefile_support.h"

namespace tcpeek::ring::savefile_test {

class TempFile {
 public:
  explicit TempFile(const Octets& bytes) : path_(testing::TempDir() + "tcpeek_savefile_XXXXXX") {
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    std::ofstream out(path_, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
  ~TempFile() { ::unlink(path_.c_str()); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline FileRead read_file(const Octets& bytes) {
  const TempFile file(bytes);
  return read_all(open_input(file.path(), -1));
}

// A pipe that a thread fills in pieces of random size; it does not mind a reader who leaves.
class FedPipe {
 public:
  explicit FedPipe(Octets bytes, std::uint64_t seed = 1, std::size_t longest = 100) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_end_ = ends[0];
    writer_ = std::thread([bytes = std::move(bytes), seed, longest, fd = ends[1]] {
      sigset_t broken;
      sigemptyset(&broken);
      sigaddset(&broken, SIGPIPE);
      pthread_sigmask(SIG_BLOCK, &broken, nullptr);
      std::mt19937_64 random(seed);
      for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t piece = std::min(bytes.size() - at, 1 + random() % longest);
        const ssize_t written = ::write(fd, bytes.data() + at, piece);
        if (written < 0) break;
        at += static_cast<std::size_t>(written);
        if (random() % 16 == 0) std::this_thread::yield();
      }
      ::close(fd);
    });
  }
  ~FedPipe() {
    if (read_end_ >= 0) ::close(read_end_);
    writer_.join();
  }
  FedPipe(const FedPipe&) = delete;
  FedPipe& operator=(const FedPipe&) = delete;

  // Once: from now on the input is the pipe's only reader.
  std::unique_ptr<ByteInput> open(int interrupt = -1) {
    auto input = open_input("/dev/fd/" + std::to_string(read_end_), interrupt);
    ::close(std::exchange(read_end_, -1));
    return input;
  }

 private:
  int read_end_ = -1;
  std::thread writer_;
};

inline FileRead read_pipe(const Octets& bytes, std::uint64_t seed = 1, std::size_t longest = 100) {
  FedPipe pipe(bytes, seed, longest);
  return read_all(pipe.open());
}

// One member.
inline Octets gzip(const Octets& bytes, int level = 6) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
            Z_OK);
  Octets out(::deflateBound(&stream, bytes.size()) + 64);
  Octets in = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

// One frame, with a checksum as zstd(1) writes it; `told`: the frame tells the size of its content.
inline Octets zstd(const Octets& bytes, bool told = true) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, told ? 1 : 0);
  Octets out(ZSTD_compressBound(bytes.size()));
  const std::size_t size =
      ZSTD_compress2(context, out.data(), out.size(), bytes.data(), bytes.size());
  EXPECT_EQ(ZSTD_isError(size), 0U);
  ZSTD_freeCCtx(context);
  out.resize(size);
  return out;
}

inline Octets joined(Octets one, const Octets& two) {
  test::append(one, two);
  return one;
}

}  // namespace tcpeek::ring::savefile_test
