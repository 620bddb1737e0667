// Reads a descriptor and decompresses it: plain, gzip (RFC 1952, several members) or zstd (RFC 8878,
// several frames), by zlib and libzstd.
//
// Thread contract: used by one thread.
// Errors: make_inflater() throws std::bad_alloc; an error while reading ends the bytes, and trouble()
// says what it was.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ring/byte_input.h"
#include "ring/descriptor.h"

namespace tcpeek::ring {

// A descriptor whose first bytes can be examined before they are read.
class FdSource {
 public:
  // `interrupt`: reading ends when it becomes readable; -1: none.
  FdSource(Descriptor descriptor, int interrupt, Question question = {}) noexcept
      : descriptor_(std::move(descriptor)), interrupt_(interrupt), question_(std::move(question)) {}

  // The first bytes; fewer only if there are no more.
  [[nodiscard]] std::span<const std::byte> peek();
  // Waits for at least one byte; 0: the end, an interrupt, or trouble.
  [[nodiscard]] std::size_t read(std::span<std::byte> out);

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

 private:
  [[nodiscard]] std::size_t read_descriptor(std::span<std::byte> out);
  [[nodiscard]] bool wait() const;

  static constexpr std::size_t kPeeked = 4;

  Descriptor descriptor_;
  int interrupt_;
  Question question_;
  std::array<std::byte, kPeeked> peeked_{};
  std::size_t peeked_begin_ = 0;
  std::size_t peeked_end_ = 0;
  std::uint64_t bytes_ = 0;
  std::string trouble_;
};

enum class Compression : std::uint8_t { none, gzip, zstd };

[[nodiscard]] Compression compression_of(std::span<const std::byte> first) noexcept;

class Inflater {
 public:
  virtual ~Inflater() = default;
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // At least one byte; 0: the end.
  [[nodiscard]] virtual std::size_t read(std::span<std::byte> out) = 0;

  [[nodiscard]] std::uint64_t source_bytes() const noexcept { return source_.bytes(); }
  [[nodiscard]] std::string trouble() const {
    return source_.trouble().empty() ? trouble_ : source_.trouble();
  }

 protected:
  explicit Inflater(FdSource source) noexcept : source_(std::move(source)) {}

  FdSource source_;
  std::string trouble_;
};

[[nodiscard]] std::unique_ptr<Inflater> make_inflater(Compression compression, FdSource source);

}  // namespace tcpeek::ring
