// Those who watch events on the socket.
//
// How it works: each is a cursor in the log of events and a reply without end, which asks the cursor for more
// when its client has room. The log keeps events while somebody watches and for kLinger afterwards, so
// that a client that comes back resumes without a hole; else it keeps none, and if nothing is printed
// either, the readers queue no outcomes.
//
// Thread contract: the reactor's thread. The log, and what `listen` uses, outlive this object, which
// outlives the server.
// Bounds: as many as the server has streams.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/serve/watch_request.h"
#include "ipc/event_log.h"
#include "ipc/unix_server.h"
#include "ipc/watch_cursor.h"

namespace tcpeek::engine {

class Watchers {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::minutes kLinger{5};

  // Called with true when somebody begins to watch, with false when nobody has for kLinger, or when the call
  // before threw std::bad_alloc.
  using Listen = std::function<void(bool)>;

  Watchers(ipc::EventLog& log, FilterNames filters, Listen listen)
      : log_(log), filters_(std::move(filters)), listen_(std::move(listen)) {}

  // False: it is another word.
  [[nodiscard]] bool ask(std::string_view line, const ipc::Reply& reply);

  // Sends what the log has gained.
  void wake();
  void each_second(Clock::time_point now = Clock::now());

  [[nodiscard]] std::size_t size() const noexcept { return watchers_.size(); }

 private:
  struct Watcher {
    std::shared_ptr<ipc::WatchCursor> cursor;
    std::shared_ptr<ipc::Stream> stream;
  };

  void add(ipc::WatchRequest request, const ipc::Reply& reply);
  [[nodiscard]] bool begin_listening();
  void stop_listening();
  void drop_gone();

  ipc::EventLog& log_;
  const FilterNames filters_;
  const Listen listen_;
  std::vector<Watcher> watchers_;
  Clock::time_point last_seen_;  // when there was one
};

}  // namespace tcpeek::engine
