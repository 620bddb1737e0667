// The window is over a buffer that a decoder fills.

#include "ring/byte_input.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "ring/descriptor.h"
#include "ring/inflater.h"

namespace tcpeek::ring {
namespace {

class BufferedInput final : public ByteInput {
 public:
  BufferedInput(Compression compression, FdSource source, std::optional<std::uint64_t> total)
      : compressed_(compression != Compression::none),
        inflater_(make_inflater(compression, std::move(source))),
        total_(total) {}

  std::span<const std::byte> next(std::size_t used, std::size_t least) override {
    begin_ += used;
    if (end_ - begin_ < least) fill(least);
    return std::span<const std::byte>(buffer_).subspan(begin_, end_ - begin_);
  }
  bool compressed() const noexcept override { return compressed_; }
  std::string trouble() const override {
    return shorter_ ? "the file became shorter while it was read" : inflater_->trouble();
  }
  std::uint64_t passed() const noexcept override { return inflater_->source_bytes(); }
  std::optional<std::uint64_t> total() const noexcept override { return total_; }

 private:
  // What is read at once stays in the caches until its packets have been counted. Files that wait for their turn
  // have little of it, and those that are done nothing: there may be thousands.
  static constexpr std::size_t kFirst = std::size_t{4} << 10;
  static constexpr std::size_t kMost = std::size_t{256} << 10;

  void fill(std::size_t least) {
    if (ended_) return;
    if (begin_ != 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    if (buffer_.size() < kMost) buffer_.resize(std::max(kFirst, 4 * buffer_.size()));
    while (end_ < least) {
      // Step by step: a large request may come from a wrong length.
      if (end_ == buffer_.size()) buffer_.resize(std::min(2 * buffer_.size(), least));
      const std::size_t got = inflater_->read(std::span(buffer_).subspan(end_));
      if (got == 0) return end();
      end_ += got;
    }
  }

  void end() {
    ended_ = true;
    shorter_ = !compressed_ && total_ && passed() < *total_;
    buffer_.resize(end_);
    buffer_.shrink_to_fit();
  }

  bool compressed_;
  bool ended_ = false;
  bool shorter_ = false;
  std::unique_ptr<Inflater> inflater_;
  std::optional<std::uint64_t> total_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

Descriptor open_file(const std::string& path, const std::string& name) {
  // Without O_NONBLOCK, opening a FIFO would wait for its writer, deaf to signals.
  const int fd = path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                             : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw_errno("cannot open " + name);
  return Descriptor(fd);
}

}  // namespace

std::unique_ptr<ByteInput> open_input(const std::string& path, int interrupt,
                                      const std::string& named, Question question) {
  const std::string& name = named.empty() ? path : named;
  Descriptor file = open_file(path, name);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_errno("cannot get the size of " + name);
  if (S_ISDIR(status.st_mode)) {
    throw std::system_error(EISDIR, std::generic_category(), "cannot read " + name);
  }
  // If standard input is a file, part of it may have been read: the rest is read as from a pipe.
  const bool whole_file = S_ISREG(status.st_mode) && path != "-";
  std::optional<std::uint64_t> total;
  if (whole_file) total = static_cast<std::uint64_t>(status.st_size);
  FdSource source(std::move(file), S_ISREG(status.st_mode) ? -1 : interrupt, std::move(question));
  const Compression compression = compression_of(source.peek());
  return std::make_unique<BufferedInput>(compression, std::move(source), total);
}

}  // namespace tcpeek::ring
