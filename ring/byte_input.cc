// Two kinds of window: over a mapped file, and over a buffer that a decoder fills.

#include "ring/byte_input.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
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

class MappedInput final : public ByteInput {
 public:
  MappedInput(Descriptor file, std::size_t size, const std::string& name)
      : file_(std::move(file)), size_(size) {
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file_.get(), 0);
    if (memory == MAP_FAILED) throw_errno("cannot map " + name + " into memory");
    memory_ = static_cast<std::byte*>(memory);
    // Advice only: if refused, reading is slower.
    static_cast<void>(::madvise(memory_, size_, MADV_SEQUENTIAL));
  }
  ~MappedInput() override { ::munmap(memory_, size_); }

  std::span<const std::byte> next(std::size_t used, std::size_t least) override {
    at_ += used;
    give_back();
    const std::size_t length = std::min(std::max(kPiece, least), size_ - at_);
    return std::span<const std::byte>(memory_ + at_, length - cut_off(at_ + length));
  }
  std::string trouble() const override { return trouble_; }
  std::uint64_t passed() const noexcept override { return at_; }
  std::optional<std::uint64_t> total() const noexcept override { return size_; }

 private:
  // How much is checked and returned to the kernel at a time; large enough to cost nothing.
  static constexpr std::size_t kPiece = std::size_t{4} << 20;

  void give_back() noexcept {
    if (at_ - given_back_ < kPiece) return;
    const std::size_t piece = (at_ - given_back_) / kPiece * kPiece;
    static_cast<void>(::madvise(memory_ + given_back_, piece, MADV_DONTNEED));
    given_back_ += piece;
  }

  // How many of the bytes before `end` the file has lost since it was opened: touching them would
  // raise SIGBUS.
  std::size_t cut_off(std::size_t end) {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) return 0;
    const auto size = std::max(static_cast<std::size_t>(status.st_size), at_);
    if (size >= end) return 0;
    trouble_ = "the file became shorter while it was read";
    return end - size;
  }

  Descriptor file_;
  std::byte* memory_ = nullptr;
  std::size_t size_;
  std::string trouble_;
  std::size_t at_ = 0;
  std::size_t given_back_ = 0;
};

class BufferedInput final : public ByteInput {
 public:
  BufferedInput(Compression compression, FdSource source, std::optional<std::uint64_t> total)
      : compressed_(compression != Compression::none),
        inflater_(make_inflater(compression, std::move(source))),
        total_(total),
        buffer_(kCapacity) {}

  std::span<const std::byte> next(std::size_t used, std::size_t least) override {
    begin_ += used;
    if (end_ - begin_ < least) fill(least);
    return std::span<const std::byte>(buffer_).subspan(begin_, end_ - begin_);
  }
  bool compressed() const noexcept override { return compressed_; }
  std::string trouble() const override { return inflater_->trouble(); }
  std::uint64_t passed() const noexcept override { return inflater_->source_bytes(); }
  std::optional<std::uint64_t> total() const noexcept override { return total_; }

 private:
  static constexpr std::size_t kCapacity = std::size_t{1} << 20;

  void fill(std::size_t least) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    while (end_ < least) {
      // Step by step: a large request may come from a wrong length.
      if (end_ == buffer_.size()) buffer_.resize(std::min(2 * buffer_.size(), least));
      const std::size_t got = inflater_->read(std::span(buffer_).subspan(end_));
      if (got == 0) return;
      end_ += got;
    }
  }

  bool compressed_;
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
  if (whole_file && status.st_size > 0 && compression == Compression::none) {
    return std::make_unique<MappedInput>(std::move(source).descriptor(),
                                         static_cast<std::size_t>(status.st_size), name);
  }
  return std::make_unique<BufferedInput>(compression, std::move(source), total);
}

}  // namespace tcpeek::ring
