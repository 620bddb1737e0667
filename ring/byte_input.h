// Bytes of a capture file, plain or compressed, or of a pipe, as a sliding window over a buffer.
//
// gzip and zstd are recognised by their first bytes and read through zlib and libzstd. A plain file is copied into the
// buffer as well: mapped, it took longer, as a page fault costs more than to copy its pages.
//
// Thread contract: used by one thread.
// Errors: open_input() throws std::system_error naming operation and file. A later error ends the window
// early; trouble() says what it was, and everything before it is valid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace tcpeek::ring {

class ByteInput {
 public:
  virtual ~ByteInput() = default;
  ByteInput() = default;
  ByteInput(const ByteInput&) = delete;
  ByteInput& operator=(const ByteInput&) = delete;

  // Drops the first `used` bytes of the window and returns the window after them: at least `least`
  // bytes, unless the input ends. Invalidates the previous window.
  [[nodiscard]] virtual std::span<const std::byte> next(std::size_t used, std::size_t least) = 0;

  // Whether the bytes come out of a compressed file.
  [[nodiscard]] virtual bool compressed() const noexcept { return false; }

  // Why the input ended early; empty: it did not.
  [[nodiscard]] virtual std::string trouble() const { return {}; }

  // For progress: bytes of the file read so far, and its size where known.
  [[nodiscard]] virtual std::uint64_t passed() const noexcept = 0;
  [[nodiscard]] virtual std::optional<std::uint64_t> total() const noexcept = 0;
};

// What may be asked while reading waits for more to come: `answer` is called whenever the descriptor is
// readable, and takes from it what made it so.
struct Question {
  int descriptor = -1;
  std::function<void()> answer;
};

// "-" is standard input. Reading from what may block (a pipe, a terminal) ends as at its end when
// `interrupt` becomes readable; -1: nothing interrupts. `name` is what errors call it; empty: the path.
[[nodiscard]] std::unique_ptr<ByteInput> open_input(const std::string& path, int interrupt,
                                                    const std::string& name = {},
                                                    Question question = {});

}  // namespace tcpeek::ring
