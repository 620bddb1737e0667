// A client of WATCH: connected to tcpeek's socket, it yields lines.
//
// Thread contract: of one thread. Reading never blocks.
// Bounds: a line of kMostLineBytes.
// Errors: std::system_error naming the call and the socket; std::length_error for a line that is too long.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ring/descriptor.h"

namespace tcpeek::forward {

class WatchSocket {
 public:
  // Connects and asks for events, from that number on or those to come.
  WatchSocket(const std::string& path, std::optional<std::uint64_t> from);

  [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

  enum class Read { some, nothing, end };
  // What there is, up to a piece.
  [[nodiscard]] Read read();
  // The next complete line, without its newline; valid until the next read().
  [[nodiscard]] std::optional<std::string_view> line();
  // What is left behind the lines, which at the end of all is a line without a newline; valid as a line is.
  [[nodiscard]] std::string_view rest() const noexcept {
    return std::string_view(buffer_).substr(taken_);
  }

 private:
  std::string path_;
  ring::Descriptor socket_;
  std::string buffer_;
  std::size_t taken_ = 0;     // of the buffer
  std::size_t searched_ = 0;  // for a newline
};

}  // namespace tcpeek::forward
