#include "engine/serve/history_request.h"

#include <fmt/format.h>

#include "engine/base/text.h"
#include "ipc/request.h"

namespace tcpeek::engine {
namespace {

constexpr std::string_view kWord = "HISTORY";
constexpr std::uint64_t kMostSeconds = 86'400;  // a day
constexpr std::size_t kQuotedBytes = 32;

std::string shortened(std::string_view text) {
  if (text.size() <= kQuotedBytes) return in_quotes(text);
  return in_quotes(text.substr(0, kQuotedBytes)) + "...";
}

}  // namespace

std::optional<HistoryRequest> parse_history_request(std::string_view request) {
  const auto argument = ipc::arguments_of(request, kWord);
  if (!argument) return std::nullopt;
  if (argument->empty()) return HistoryRequest{};
  const auto seconds = parse_number(*argument, 1, kMostSeconds);
  if (!seconds) {
    return HistoryRequest{
        .back = std::nullopt,
        .error = fmt::format("HISTORY: {} is not a number of seconds from 1 to {}",
                             shortened(*argument), kMostSeconds)};
  }
  return HistoryRequest{.back = std::chrono::seconds(*seconds), .error = {}};
}

}  // namespace tcpeek::engine
