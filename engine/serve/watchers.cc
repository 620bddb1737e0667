#include "engine/serve/watchers.h"

#include <fmt/format.h>

#include <new>
#include <string>
#include <utility>

#include "ipc/json_text.h"

namespace tcpeek::engine {

bool Watchers::ask(std::string_view line, const ipc::Reply& reply) {
  const auto parsed = parse_watch_request(line, filters_);
  if (!parsed) return false;
  if (const auto* mistake = std::get_if<WatchMistake>(&*parsed)) {
    reply(ipc::error_reply(mistake->text));
  } else {
    add(std::get<ipc::WatchRequest>(*parsed), reply);
  }
  return true;
}

void Watchers::add(ipc::WatchRequest request, const ipc::Reply& reply) {
  drop_gone();
  if (!begin_listening()) {
    return reply(ipc::error_reply("WATCH: there is no memory left to queue outcomes in"));
  }
  last_seen_ = Clock::now();
  auto cursor = std::make_shared<ipc::WatchCursor>(log_, std::move(request));
  const auto stream = reply.stream([cursor](std::string& piece) { cursor->fill(piece); });
  if (!stream) {
    return reply(ipc::error_reply(fmt::format(
        "WATCH: all {} places are taken; try again when a watcher has left", watchers_.size())));
  }
  watchers_.push_back({std::move(cursor), stream});
  stream->wake();
}

// False: there is no memory for it. What a client asks for must not end the program.
bool Watchers::begin_listening() {
  if (log_.keeping()) return true;
  log_.keep(true);
  try {
    listen_(true);
    return true;
  } catch (const std::bad_alloc&) {
    stop_listening();
    return false;
  }
}

void Watchers::stop_listening() {
  log_.keep(false);
  listen_(false);
}

void Watchers::wake() {
  for (const Watcher& watcher : watchers_) watcher.stream->wake();
}

void Watchers::each_second(Clock::time_point now) {
  drop_gone();
  if (!watchers_.empty()) last_seen_ = now;
  for (const Watcher& watcher : watchers_) watcher.cursor->tell_how_far();
  wake();
  if (log_.keeping() && now - last_seen_ >= kLinger) stop_listening();
}

void Watchers::drop_gone() {
  std::erase_if(watchers_, [](const Watcher& watcher) { return !watcher.stream->is_open(); });
}

}  // namespace tcpeek::engine
