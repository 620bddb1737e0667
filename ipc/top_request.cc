#include "ipc/top_request.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "ipc/request.h"

namespace tcpeek::ipc {
namespace {

constexpr std::string_view kWord = "TOP";
constexpr std::string_view kBy = "by=";
constexpr std::array<TopBy, 4> kAll{TopBy::service, TopBy::initiator, TopBy::pair, TopBy::network};

std::optional<TopBy> parse_by(std::string_view text) noexcept {
  for (const TopBy by : kAll) {
    if (word(by) == text) return by;
  }
  return std::nullopt;
}

std::optional<unsigned> parse_count(std::string_view text) noexcept {
  unsigned count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (count == 0 || count > TopRequest::kMost) return std::nullopt;
  return count;
}

TopMistake top_mistake(std::string_view argument) {
  return {
      fmt::format("TOP: '{}' is not an argument; allowed are a number from 1 to {}, and "
                  "by=service, by=initiator, by=pair or by=network, each once",
                  argument.substr(0, kShownBytes), TopRequest::kMost)};
}

}  // namespace

std::string_view word(TopBy by) noexcept {
  switch (by) {
    case TopBy::service:
      return "service";
    case TopBy::initiator:
      return "initiator";
    case TopBy::pair:
      return "pair";
    case TopBy::network:
      return "network";
  }
  return "";
}

std::optional<std::variant<TopRequest, TopMistake>> parse_top_request(std::string_view request) {
  const auto arguments = arguments_of(request, kWord);
  if (!arguments) return std::nullopt;
  std::string_view rest = *arguments;
  TopRequest top;
  bool counted = false;
  bool sorted = false;
  for (;;) {
    const std::size_t begin = rest.find_first_not_of(kRequestBlanks);
    if (begin == std::string_view::npos) return top;
    rest.remove_prefix(begin);
    const std::string_view argument = rest.substr(0, rest.find_first_of(kRequestBlanks));
    rest.remove_prefix(argument.size());
    if (argument.starts_with(kBy)) {
      const auto by = parse_by(argument.substr(kBy.size()));
      if (!by || sorted) return top_mistake(argument);
      top.by = *by;
      sorted = true;
    } else {
      const auto count = parse_count(argument);
      if (!count || counted) return top_mistake(argument);
      top.count = *count;
      counted = true;
    }
  }
}

}  // namespace tcpeek::ipc
