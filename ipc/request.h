// Framing of a request as a pure state machine: it is fed bytes and says when the request is complete.
// It knows no socket and no clock; the server has both.
//
// A request is one word on one line. The line ends at LF (a CR before it is a blank) or at the end
// of input, and what follows the LF is ignored. At most `kMaxRequestBytes` bytes are taken,
// the LF included. The word is the line without blanks (space, tab, CR, VT, FF) at both ends.
//
//   an empty line       complete with an empty word: a word we do not define
//   the end of input after at least one byte      complete
//   the end of input before any byte     unfinished: nothing was asked (a port scan, a probe)
//   one byte too many without LF    too_long
//
// One word has a body, if the client may send one (`max_body` is not 0): after the line `RELOAD N` follow N
// bytes of any kind, 1 to `max_body`; what follows them is ignored. Whoever may not, or writes another
// number, has asked with the line alone. The end of input within a body: unfinished.
//
// Invariant: a state other than need_more is final; more input changes nothing.
// Thread contract: belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tcpeek::ipc {

inline constexpr std::size_t kMaxRequestBytes = 4096;
inline constexpr std::size_t kMaxBodyBytes = std::size_t{1} << 20;

inline constexpr std::string_view kReloadWord = "RELOAD";

// Space, tab, CR, VT, FF.
inline constexpr std::string_view kRequestBlanks = " \t\r\v\f";

// What follows `word` on a trimmed line, without the blanks between; none if it is another word.
[[nodiscard]] std::optional<std::string_view> arguments_of(std::string_view line,
                                                           std::string_view word) noexcept;

class RequestFramer {
 public:
  enum class State : std::uint8_t { need_more, complete, too_long, unfinished };

  explicit RequestFramer(std::size_t max_bytes = kMaxRequestBytes, std::size_t max_body = 0)
      : max_bytes_(max_bytes), max_body_(max_body) {}

  State feed(std::string_view bytes);
  State end_of_input();

  [[nodiscard]] State state() const noexcept { return state_; }

  // The trimmed word; empty unless the state is complete.
  [[nodiscard]] std::string_view word() const noexcept;
  // The word, and behind it, if there is a body, a LF and the body.
  [[nodiscard]] std::string request() const;

 private:
  void take_body(std::string_view bytes);

  std::size_t max_bytes_;
  std::size_t max_body_;
  State state_ = State::need_more;
  std::string line_;            // without the LF; never longer than max_bytes_
  std::size_t body_bytes_ = 0;  // announced; 0: there is none
  std::string body_;
};

// Of an argument that is refused, what is shown: the rest of a long one helps nobody.
inline constexpr std::size_t kShownBytes = 40;

// The number of bytes that a line announces, from 1 to `most`; none if that is not what it says.
[[nodiscard]] std::optional<std::size_t> announced_body(std::string_view line,
                                                        std::size_t most) noexcept;

}  // namespace tcpeek::ipc
