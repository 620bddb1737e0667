// The state machine of one request.
#include "ipc/request.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace tcpeek::ipc {

std::optional<std::string_view> arguments_of(std::string_view line,
                                             std::string_view word) noexcept {
  if (!line.starts_with(word)) return std::nullopt;
  line.remove_prefix(word.size());
  const std::size_t first = std::min(line.find_first_not_of(kRequestBlanks), line.size());
  if (first == 0 && !line.empty()) return std::nullopt;
  return line.substr(first);
}

std::optional<std::size_t> announced_body(std::string_view line, std::size_t most) noexcept {
  const auto number = arguments_of(line, kReloadWord);
  if (!number) return std::nullopt;
  std::size_t bytes = 0;
  const char* const end = number->data() + number->size();
  const auto [stop, error] = std::from_chars(number->data(), end, bytes);
  if (error != std::errc{} || stop != end || bytes == 0 || bytes > most) return std::nullopt;
  return bytes;
}

RequestFramer::State RequestFramer::feed(std::string_view bytes) {
  if (state_ != State::need_more) return state_;
  if (body_bytes_ != 0) {
    take_body(bytes);
    return state_;
  }
  const std::size_t room = max_bytes_ - line_.size();
  const std::size_t newline = bytes.substr(0, room).find('\n');
  if (newline != std::string_view::npos) {
    line_.append(bytes.substr(0, newline));
    state_ = State::complete;
    body_bytes_ = announced_body(word(), max_body_).value_or(0);
    if (body_bytes_ != 0) {
      state_ = State::need_more;
      take_body(bytes.substr(newline + 1));
    }
  } else if (bytes.size() > room) {
    state_ = State::too_long;
  } else {
    line_.append(bytes);
  }
  return state_;
}

void RequestFramer::take_body(std::string_view bytes) {
  body_.append(bytes.substr(0, body_bytes_ - body_.size()));
  if (body_.size() == body_bytes_) state_ = State::complete;
}

RequestFramer::State RequestFramer::end_of_input() {
  if (state_ != State::need_more) return state_;
  const bool asked = !line_.empty() && body_bytes_ == 0;
  state_ = asked ? State::complete : State::unfinished;
  return state_;
}

std::string RequestFramer::request() const {
  std::string all(word());
  if (body_bytes_ != 0) all.append(1, '\n').append(body_);
  return all;
}

std::string_view RequestFramer::word() const noexcept {
  if (state_ != State::complete) return {};
  const std::size_t first = line_.find_first_not_of(kRequestBlanks);
  if (first == std::string::npos) return {};
  const std::size_t last = line_.find_last_not_of(kRequestBlanks);
  return std::string_view(line_).substr(first, last - first + 1);
}

}  // namespace tcpeek::ipc
