// The state machine of one request.
#include "ipc/request.h"

#include <algorithm>

namespace tcpeek::ipc {

std::optional<std::string_view> arguments_of(std::string_view line,
                                             std::string_view word) noexcept {
  if (!line.starts_with(word)) return std::nullopt;
  line.remove_prefix(word.size());
  const std::size_t first = std::min(line.find_first_not_of(kRequestBlanks), line.size());
  if (first == 0 && !line.empty()) return std::nullopt;
  return line.substr(first);
}

RequestFramer::State RequestFramer::feed(std::string_view bytes) {
  if (state_ != State::need_more) return state_;

  const std::size_t room = max_bytes_ - line_.size();
  const std::size_t newline = bytes.substr(0, room).find('\n');
  if (newline != std::string_view::npos) {
    line_.append(bytes.substr(0, newline));
    state_ = State::complete;
  } else if (bytes.size() > room) {
    state_ = State::too_long;
  } else {
    line_.append(bytes);
  }
  return state_;
}

RequestFramer::State RequestFramer::end_of_input() {
  if (state_ != State::need_more) return state_;
  state_ = line_.empty() ? State::unfinished : State::complete;
  return state_;
}

std::string_view RequestFramer::word() const noexcept {
  if (state_ != State::complete) return {};
  const std::size_t first = line_.find_first_not_of(kRequestBlanks);
  if (first == std::string::npos) return {};
  const std::size_t last = line_.find_last_not_of(kRequestBlanks);
  return std::string_view(line_).substr(first, last - first + 1);
}

}  // namespace tcpeek::ipc
