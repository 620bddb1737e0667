#include "engine/serve/request_handler.h"

#include <algorithm>
#include <utility>

#include "ipc/stats_json.h"

namespace tcpeek::engine {
namespace {

// A reply shared by several requests, formatted for the first of them.
template <typename Make>
const ipc::ReplyText& shared(ipc::ReplyText& text, Make make) {
  if (!text) text = make();
  return text;
}

}  // namespace

void RequestHandler::ask(std::string word, Reply reply) {
  drop_unwanted();
  waiting_.push_back({std::move(word), std::move(reply)});
  if (!busy_) begin_round();
}

void RequestHandler::begin_round() {
  busy_ = true;
  current_ = std::exchange(waiting_, {});
  collect_([this](const ipc::Snapshot& snapshot) {
    const auto begin = std::chrono::steady_clock::now();
    answer(snapshot);
    end_round(std::chrono::steady_clock::now() - begin);
  });
}

void RequestHandler::answer(const ipc::Snapshot& snapshot) {
  ipc::ReplyText get;
  ipc::ReplyText stats;
  std::vector<Request> postponed;
  for (const Request& request : std::exchange(current_, {})) {
    if (!request.reply.wanted()) continue;
    if (request.word == "REFRESH") {
      request.reply(refresh_marks_.refresh_reply(snapshot));
    } else if (request.word == "STATS") {
      request.reply(shared(stats, [&] { return ipc::stats_reply(snapshot); }));
    } else if (const auto history =
                   history_replies_ ? parse_history_request(request.word) : std::nullopt) {
      if (!answer_history(*history, snapshot, request.reply)) postponed.push_back(request);
    } else {
      request.reply(shared(get, [&] { return ipc::get_reply(snapshot); }));
    }
  }
  if (history_replies_) history_replies_->end_round();
  waiting_.insert(waiting_.begin(), postponed.begin(), postponed.end());
}

bool RequestHandler::answer_history(const HistoryRequest& asked, const ipc::Snapshot& snapshot,
                                    const Reply& reply) {
  const std::optional<ipc::ReplyText> text = history_replies_->reply(asked, snapshot);
  if (text) reply(*text);
  return text.has_value();
}

void RequestHandler::end_round(std::chrono::steady_clock::duration spent) {
  const auto took = std::chrono::ceil<std::chrono::milliseconds>(spent);
  reactor_.after(std::max(kPause, took), [this] {
    busy_ = false;
    drop_unwanted();
    if (!waiting_.empty()) begin_round();
  });
}

void RequestHandler::drop_unwanted() {
  std::erase_if(waiting_, [](const Request& request) { return !request.reply.wanted(); });
}

}  // namespace tcpeek::engine
