#include "engine/serve/history_replies.h"

#include "ipc/history_json.h"
#include "ipc/json_text.h"

namespace tcpeek::engine {
namespace {

std::string text_of(const ipc::HistoryReport& report) {
  std::string text = ipc::history_reply(report);
  if (text.size() <= ipc::ServerLimits{}.max_reply_bytes) return text;
  return ipc::error_reply("HISTORY: that is more than a reply may hold: ask for fewer SECONDS");
}

}  // namespace

std::optional<ipc::ReplyText> HistoryReplies::reply(const HistoryRequest& request,
                                                    const ipc::Snapshot& now) {
  if (!request.error.empty()) return ipc::ReplyText(ipc::error_reply(request.error));
  if (text_) return back_ == request.back ? std::optional(text_) : std::nullopt;
  std::erase_if(sent_, [](const auto& text) { return text.expired(); });
  if (sent_.size() >= kMostTexts) return std::nullopt;
  back_ = request.back;
  text_ = ipc::ReplyText(text_of(history_.report(now, request.back)));
  sent_.push_back(text_.weak());
  return text_;
}

}  // namespace tcpeek::engine
