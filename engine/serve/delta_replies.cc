#include "engine/serve/delta_replies.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/base/text.h"
#include "ipc/delta.h"
#include "ipc/json_text.h"
#include "ipc/request.h"
#include "ipc/stats_json.h"

namespace tcpeek::engine {
namespace {

constexpr std::string_view kDeltaWord = "DELTA";
constexpr std::size_t kLongestName = 64;

bool allowed(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

std::string mistake(std::string_view name) {
  const std::string what =
      name.empty() ? "the name is missing" : in_quotes_shortened(name) + " is not a name";
  return fmt::format(
      "DELTA: {}; give a name of your own, 1 to {} letters, digits, '_', '-' or '.': DELTA NAME",
      what, kLongestName);
}

}  // namespace

std::optional<DeltaRequest> parse_delta_request(std::string_view request) {
  const auto name = ipc::arguments_of(request, kDeltaWord);
  if (!name) return std::nullopt;
  const bool right = !name->empty() && name->size() <= kLongestName &&
                     std::all_of(name->begin(), name->end(), allowed);
  if (!right) return DeltaRequest{.name = {}, .error = mistake(*name)};
  return DeltaRequest{.name = std::string(*name), .error = {}};
}

std::optional<ipc::ReplyText> DeltaReplies::reply(const DeltaRequest& request,
                                                  const ipc::Snapshot& now) {
  if (!request.error.empty()) return ipc::ReplyText(ipc::error_reply(request.error));
  std::erase_if(sent_, [](const auto& text) { return text.expired(); });
  if (answered_ || sent_.size() >= limits_.texts) return std::nullopt;
  answered_ = true;
  ipc::ReplyText text(text_of(request.name, now));
  remember(request.name, now);
  sent_.push_back(text.weak());
  return text;
}

std::string DeltaReplies::text_of(const std::string& name, const ipc::Snapshot& now) {
  const auto mark = std::ranges::find(marks_, name, &Mark::name);
  const bool first = mark == marks_.end();
  const ipc::DeltaSpan span{.name = name,
                            .since = first ? now.started : now.clock().time_of(mark->then.uptime()),
                            .lasted = first ? now.uptime : now.uptime - mark->then.uptime(),
                            .first = first};
  if (first) return ipc::delta_reply(span, now, now);
  return ipc::delta_reply(span, ipc::difference(now, mark->then.unpacked()), now);
}

void DeltaReplies::remember(const std::string& name, const ipc::Snapshot& now) {
  const auto old = std::ranges::find(marks_, name, &Mark::name);
  if (old != marks_.end()) {
    bytes_ -= old->then.bytes();
    marks_.erase(old);
  }
  marks_.push_front({name, ipc::PackedSnapshot(now)});
  bytes_ += marks_.front().then.bytes();
  while (marks_.size() > limits_.names || (bytes_ > limits_.bytes && marks_.size() > 1)) {
    bytes_ -= marks_.back().then.bytes();
    marks_.pop_back();
    ++displaced_;
  }
}

}  // namespace tcpeek::engine
