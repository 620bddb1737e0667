#include "engine/serve/request_handler.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "ipc/explain_json.h"
#include "ipc/json_text.h"
#include "ipc/request.h"
#include "ipc/stats_json.h"
#include "ipc/top_json.h"
#include "ipc/top_request.h"

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
  if (ask_top(word, reply) || ask_explanation(word, reply)) return;
  for (const auto& answered : offered_) {
    if (answered(word, reply)) return;
  }
  drop_unwanted();
  waiting_.push_back({std::move(word), std::move(reply)});
  if (!busy_) begin_round();
}

// False: it is another word.
bool RequestHandler::ask_top(std::string_view line, const Reply& reply) {
  const auto parsed = ipc::parse_top_request(line);
  if (!parsed) return false;
  if (const auto* mistake = std::get_if<ipc::TopMistake>(&*parsed)) {
    reply(ipc::error_reply(mistake->text));
    return true;
  }
  wait_for_top_round(std::get<ipc::TopRequest>(*parsed), reply);
  return true;
}

bool RequestHandler::ask_explanation(std::string_view line, const Reply& reply) {
  const auto arguments = ipc::arguments_of(line, "EXPLAIN");
  if (!arguments || !collect_explanation_) return false;
  if (arguments->empty()) {
    wait_for_top_round(std::nullopt, reply);
  } else {
    reply(ipc::error_reply("EXPLAIN: takes no argument; send the word alone"));
  }
  return true;
}

void RequestHandler::wait_for_top_round(std::optional<ipc::TopRequest> request,
                                        const Reply& reply) {
  drop_unwanted();
  top_waiting_.push_back({request, reply});
  if (!top_busy_) begin_top_round();
}

// Answers the first request that is still wanted, and all that are equal to it.
void RequestHandler::begin_top_round() {
  drop_unwanted();
  top_busy_ = !top_waiting_.empty();
  if (!top_busy_) return;
  const std::optional<ipc::TopRequest> request = top_waiting_.front().request;
  std::vector<Reply> replies;
  std::erase_if(top_waiting_, [&](const TopQuestion& asked) {
    if (asked.request != request) return false;
    replies.push_back(asked.reply);
    return true;
  });
  if (request) {
    return collect_top_(*request, [this, replies = std::move(replies)](const ipc::Top& top) {
      end_top_round(replies, ipc::top_reply(top));
    });
  }
  collect_explanation_([this, replies = std::move(replies)](const ipc::Explanation& explanation) {
    end_top_round(replies, ipc::explain_reply(explanation));
  });
}

void RequestHandler::end_top_round(std::span<const Reply> replies, const ipc::ReplyText& text) {
  for (const Reply& reply : replies) reply(text);
  reactor_.after(kPause, [this] { begin_top_round(); });
}

void RequestHandler::begin_round() {
  busy_ = true;
  current_ = std::exchange(waiting_, {});
  prepare_metrics([this] {
    collect_([this](const ipc::Snapshot& snapshot) {
      const auto begin = std::chrono::steady_clock::now();
      answer(snapshot);
      end_round(std::chrono::steady_clock::now() - begin);
    });
  });
}

void RequestHandler::prepare_metrics(std::function<void()> then) {
  const bool asked =
      metrics_ != nullptr && std::ranges::any_of(current_, [](const Request& request) {
        return MetricsReplies::is_asked_for(request.word);
      });
  if (!asked) return then();
  metrics_->prepare(std::move(then));
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
    } else if (const auto delta = parse_delta_request(request.word)) {
      if (!answer_delta(*delta, snapshot, request.reply)) postponed.push_back(request);
    } else if (const auto metrics =
                   metrics_ != nullptr ? metrics_->reply(request.word, snapshot) : std::nullopt) {
      request.reply(*metrics);
    } else {
      request.reply(shared(get, [&] { return ipc::get_reply(snapshot); }));
    }
  }
  if (history_replies_) history_replies_->end_round();
  delta_replies_.end_round();
  if (metrics_ != nullptr) metrics_->end_round();
  waiting_.insert(waiting_.begin(), postponed.begin(), postponed.end());
}

bool RequestHandler::answer_history(const HistoryRequest& asked, const ipc::Snapshot& snapshot,
                                    const Reply& reply) {
  const std::optional<ipc::ReplyText> text = history_replies_->reply(asked, snapshot);
  if (text) reply(*text);
  return text.has_value();
}

bool RequestHandler::answer_delta(const DeltaRequest& asked, const ipc::Snapshot& snapshot,
                                  const Reply& reply) {
  const std::optional<ipc::ReplyText> text = delta_replies_.reply(asked, snapshot);
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
  std::erase_if(top_waiting_, [](const TopQuestion& asked) { return !asked.reply.wanted(); });
}

}  // namespace tcpeek::engine
