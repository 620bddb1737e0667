#include "ring/inflater.h"

#include <poll.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace tcpeek::ring {
namespace {

constexpr std::size_t kChunk = std::size_t{256} << 10;
constexpr std::size_t kFirstChunk = std::size_t{4} << 10;

class Plain final : public Inflater {
 public:
  explicit Plain(FdSource source) noexcept : Inflater(std::move(source)) {}
  std::size_t read(std::span<std::byte> out) override { return source_.read(out); }
};

// What the two decompressors have in common: a chunk of compressed bytes.
class Decompressor : public Inflater {
 public:
  std::size_t read(std::span<std::byte> out) override {
    while (!ended_ && !out.empty()) {
      // Not while more output may come without reading: a pipe may stall.
      if (at_ == end_ && !out_was_full_) refill();
      const std::size_t made = step(out);
      if (made != 0) return made;
    }
    return 0;
  }

 protected:
  explicit Decompressor(FdSource source) : Inflater(std::move(source)) {}

  // Takes from input(), which is empty while output is waiting or at the end; fills `out` and returns
  // how many bytes. Calls end() when there are no more.
  [[nodiscard]] virtual std::size_t step(std::span<std::byte> out) = 0;

  [[nodiscard]] std::span<std::byte> input() noexcept {
    return std::span(chunk_).subspan(at_, end_ - at_);
  }
  void take(std::size_t bytes) noexcept { at_ += bytes; }
  [[nodiscard]] bool exhausted() const noexcept { return exhausted_ && at_ == end_; }
  bool out_was_full_ = false;  // then more output may come without more input
  void refill() {
    chunk_.resize(chunk_.empty() ? kFirstChunk : kChunk);  // little until it is this file's turn
    at_ = 0;
    end_ = source_.read(chunk_);
    exhausted_ = end_ == 0;
  }
  void end(std::string trouble = {}) {
    ended_ = true;
    trouble_ = std::move(trouble);
    chunk_ = std::vector<std::byte>();
    at_ = end_ = 0;
  }

 private:
  std::vector<std::byte> chunk_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  bool exhausted_ = false;
  bool ended_ = false;
};

class Gzip final : public Decompressor {
 public:
  explicit Gzip(FdSource source) : Decompressor(std::move(source)) {
    constexpr int kGzipOnly = 16;
    if (::inflateInit2(&stream_, kGzipOnly + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { ::inflateEnd(&stream_); }

 private:
  std::size_t step(std::span<std::byte> out) override {
    if (between_members_) {
      // Anything else after the last member is padding, as for gzip(1).
      if (exhausted() || input().front() != std::byte{0x1f}) return end(), 0;
      between_members_ = false;
    }
    if (exhausted() && !out_was_full_) return end("the gzip stream ends early"), 0;
    const std::span<std::byte> in = input();
    stream_.next_in = reinterpret_cast<Bytef*>(in.data());
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    const auto room = static_cast<uInt>(std::min<std::size_t>(out.size(), kChunk));
    stream_.avail_out = room;
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    take(in.size() - stream_.avail_in);
    out_was_full_ = stream_.avail_out == 0;
    if (result == Z_STREAM_END) {
      between_members_ = true;
      out_was_full_ = false;
      ::inflateReset(&stream_);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      end(std::string("the gzip stream is damaged: ") +
          (stream_.msg != nullptr ? stream_.msg : "invalid data"));
    }
    return room - stream_.avail_out;
  }

  z_stream stream_{};
  bool between_members_ = false;
};

// libzstd discards a call's output when the same call meets an error. So each call gets no more input
// than it asks for, and none while output is waiting: what precedes a damaged block is not lost.
class Zstd final : public Decompressor {
 public:
  explicit Zstd(FdSource source) : Decompressor(std::move(source)), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw std::bad_alloc();
  }
  ~Zstd() override { ZSTD_freeDStream(stream_); }

 private:
  std::size_t step(std::span<std::byte> out) override {
    if (exhausted() && !out_was_full_) {
      return end(in_frame_ ? "the zstd stream ends early" : ""), 0;
    }
    const std::span<std::byte> in = input();
    const std::size_t given = out_was_full_ ? 0 : std::min(in.size(), wanted_);
    ZSTD_inBuffer from{in.data(), given, 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const std::size_t result = ZSTD_decompressStream(stream_, &to, &from);
    take(from.pos);
    out_was_full_ = to.pos == to.size;
    if (ZSTD_isError(result) != 0) {
      end(std::string("the zstd stream is damaged: ") + ZSTD_getErrorName(result));
      return to.pos;
    }
    // If the call did nothing, its result is about the frame that may follow.
    if (from.pos != 0 || to.pos != 0) in_frame_ = result != 0;
    wanted_ = result != 0 ? result : kFrameHeader;
    return to.pos;
  }

  static constexpr std::size_t kFrameHeader = 5;  // the shortest

  ZSTD_DStream* stream_;
  std::size_t wanted_ = kFrameHeader;
  bool in_frame_ = false;
};

}  // namespace

std::span<const std::byte> FdSource::peek() {
  while (peeked_end_ < peeked_.size()) {
    const std::size_t got = read_descriptor(std::span(peeked_).subspan(peeked_end_));
    if (got == 0) break;
    peeked_end_ += got;
  }
  return std::span(peeked_).first(peeked_end_);
}

std::size_t FdSource::read(std::span<std::byte> out) {
  const std::size_t left = peeked_end_ - peeked_begin_;
  const std::size_t got = left == 0 ? read_descriptor(out) : std::min(left, out.size());
  if (left != 0) {
    std::memcpy(out.data(), peeked_.data() + peeked_begin_, got);
    peeked_begin_ += got;
  }
  bytes_ += got;
  return got;
}

std::size_t FdSource::read_descriptor(std::span<std::byte> out) {
  for (;;) {
    if (!wait()) return 0;
    const ssize_t got = ::read(descriptor_.get(), out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR || errno == EAGAIN) continue;
    trouble_ = std::string("read: ") + std::generic_category().message(errno);
    return 0;
  }
}

// Waits until there is something to read, or the end; false: interrupted.
bool FdSource::wait() const {
  if (interrupt_ < 0) return true;
  for (;;) {
    std::array<pollfd, 3> polled{{{descriptor_.get(), POLLIN, 0},
                                  {interrupt_, POLLIN, 0},
                                  {question_.descriptor, POLLIN, 0}}};
    while (::poll(polled.data(), polled.size(), -1) < 0 && errno == EINTR) {
    }
    if (polled[1].revents != 0) return false;
    if (polled[0].revents != 0 || polled[2].revents == 0) return true;
    question_.answer();
  }
}

Compression compression_of(std::span<const std::byte> first) noexcept {
  constexpr std::array kGzip{std::byte{0x1f}, std::byte{0x8b}};
  constexpr std::array kZstd{std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f}, std::byte{0xfd}};
  const auto begins_with = [&](std::span<const std::byte> magic) {
    return first.size() >= magic.size() && std::equal(magic.begin(), magic.end(), first.begin());
  };
  if (begins_with(kGzip)) return Compression::gzip;
  if (begins_with(kZstd)) return Compression::zstd;
  // A skippable frame: its magic number has sixteen values.
  constexpr std::array kSkippable{std::byte{0x2a}, std::byte{0x4d}, std::byte{0x18}};
  const bool skippable = first.size() >= 4 && (first[0] & std::byte{0xf0}) == std::byte{0x50} &&
                         std::equal(kSkippable.begin(), kSkippable.end(), first.begin() + 1);
  return skippable ? Compression::zstd : Compression::none;
}

std::unique_ptr<Inflater> make_inflater(Compression compression, FdSource source) {
  switch (compression) {
    case Compression::gzip:
      return std::make_unique<Gzip>(std::move(source));
    case Compression::zstd:
      return std::make_unique<Zstd>(std::move(source));
    case Compression::none:
      break;
  }
  return std::make_unique<Plain>(std::move(source));
}

}  // namespace tcpeek::ring
