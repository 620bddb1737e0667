#include "engine/serve/history_request.h"

#include <fmt/format.h>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

constexpr std::string_view kWord = "HISTORY";
constexpr std::string_view kBlanks = " \t\r\v\f";
constexpr std::uint64_t kMostSeconds = 86'400;  // a day
constexpr std::size_t kQuotedBytes = 32;

std::string shortened(std::string_view text) {
  if (text.size() <= kQuotedBytes) return in_quotes(text);
  return in_quotes(text.substr(0, kQuotedBytes)) + "...";
}

}  // namespace

std::optional<HistoryRequest> parse_history_request(std::string_view request) {
  if (!request.starts_with(kWord)) return std::nullopt;
  std::string_view argument = request.substr(kWord.size());
  if (argument.empty()) return HistoryRequest{};
  const std::size_t first = argument.find_first_not_of(kBlanks);
  if (first == 0) return std::nullopt;  // another word that begins so
  if (first == std::string_view::npos) return HistoryRequest{};
  argument.remove_prefix(first);
  const auto seconds = parse_number(argument, 1, kMostSeconds);
  if (!seconds) {
    return HistoryRequest{
        .back = std::nullopt,
        .error = fmt::format("HISTORY: {} is not a number of seconds from 1 to {}",
                             shortened(argument), kMostSeconds)};
  }
  return HistoryRequest{.back = std::chrono::seconds(*seconds), .error = {}};
}

}  // namespace tcpeek::engine
