#include "engine/serve/request_handler.h"

#include <utility>

#include "ipc/stats_json.h"

namespace tcpeek::engine {
namespace {

// A reply that many may share, made when the first of them wants it.
template <typename Make>
const ipc::ReplyText& shared(ipc::ReplyText& text, Make make) {
  if (!text) text = make();
  return text;
}

}  // namespace

void RequestHandler::ask(std::string word, Reply reply) {
  forget_unwanted();
  waiting_.push_back({std::move(word), std::move(reply)});
  if (!busy_) begin();
}

void RequestHandler::begin() {
  busy_ = true;
  asked_ = std::exchange(waiting_, {});
  collect_([this](const ipc::Snapshot& snapshot) {
    answer(snapshot);
    end();
  });
}

void RequestHandler::answer(const ipc::Snapshot& snapshot) {
  ipc::ReplyText get;
  ipc::ReplyText stats;
  for (const Question& question : std::exchange(asked_, {})) {
    if (!question.reply.wanted()) continue;
    if (question.word == "REFRESH") {
      question.reply(refresh_marks_.refresh_reply(snapshot));
    } else if (question.word == "STATS") {
      question.reply(shared(stats, [&] { return ipc::stats_reply(snapshot); }));
    } else {
      question.reply(shared(get, [&] { return ipc::get_reply(snapshot); }));
    }
  }
}

void RequestHandler::end() {
  reactor_.after(kPause, [this] {
    busy_ = false;
    forget_unwanted();
    if (!waiting_.empty()) begin();
  });
}

void RequestHandler::forget_unwanted() {
  std::erase_if(waiting_, [](const Question& question) { return !question.reply.wanted(); });
}

}  // namespace tcpeek::engine
