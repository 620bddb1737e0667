#include "engine/serve/history_request.h"

#include <fmt/format.h>

#include "engine/base/text.h"
#include "ipc/request.h"

namespace tcpeek::engine {
namespace {

constexpr std::string_view kHistoryWord = "HISTORY";
constexpr std::uint64_t kMostSeconds = 86'400;  // a day

}  // namespace

std::optional<HistoryRequest> parse_history_request(std::string_view request) {
  const auto argument = ipc::arguments_of(request, kHistoryWord);
  if (!argument) return std::nullopt;
  if (argument->empty()) return HistoryRequest{};
  const auto seconds = parse_number(*argument, 1, kMostSeconds);
  if (!seconds) {
    return HistoryRequest{
        .back = std::nullopt,
        .error = fmt::format("HISTORY: {} is not a number of seconds from 1 to {}",
                             in_quotes_shortened(*argument), kMostSeconds)};
  }
  return HistoryRequest{.back = std::chrono::seconds(*seconds), .error = {}};
}

}  // namespace tcpeek::engine
