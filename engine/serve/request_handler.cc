#include "engine/serve/request_handler.h"

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
    answer(snapshot);
    end_round();
  });
}

void RequestHandler::answer(const ipc::Snapshot& snapshot) {
  ipc::ReplyText get;
  ipc::ReplyText stats;
  for (const Request& request : std::exchange(current_, {})) {
    if (!request.reply.wanted()) continue;
    if (request.word == "REFRESH") {
      request.reply(refresh_marks_.refresh_reply(snapshot));
    } else if (request.word == "STATS") {
      request.reply(shared(stats, [&] { return ipc::stats_reply(snapshot); }));
    } else {
      request.reply(shared(get, [&] { return ipc::get_reply(snapshot); }));
    }
  }
}

void RequestHandler::end_round() {
  reactor_.after(kPause, [this] {
    busy_ = false;
    drop_unwanted();
    if (!waiting_.empty()) begin_round();
  });
}

void RequestHandler::drop_unwanted() {
  std::erase_if(waiting_, [](const Request& request) { return !request.reply.wanted(); });
}

}  // namespace tcpeek::engine
