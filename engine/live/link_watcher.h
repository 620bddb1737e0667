// Keeps current what is known of the machine's links while the program runs: addresses for the
// readers' Locality, which interfaces are up, and new sockets for one that was deleted and made anew.
//
// News comes by rtnetlink and only says that it is time to look; a slow timer looks as well.
//
// Thread contract: the reactor's thread. What it is given outlives it.
// Errors: the constructor throws std::system_error; later ones are told, and tried again.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/live/capture_sockets.h"
#include "engine/live/interfaces.h"
#include "engine/live/reader.h"
#include "engine/output/log.h"
#include "ipc/reactor.h"
#include "ring/links.h"

namespace tcpeek::engine {

class LinkWatcher {
 public:
  // `locality` is what the readers start with.
  LinkWatcher(Interfaces& interfaces, Locality locality, CaptureSockets& capture,
              std::span<const std::unique_ptr<Reader>> readers, Log& log);

  void watch(ipc::Reactor& reactor);
  // To be called about once a second.
  void each_second();
  // Looks now.
  void read_links();

 private:
  // What was told of an interface lately.
  struct News {
    std::chrono::steady_clock::time_point since;
    unsigned told = 0;
  };

  void on_news(ipc::Reactor& reactor);
  void follow(const ring::LinkState& links);
  void collect_sockets();
  [[nodiscard]] bool any_lost() const noexcept;
  void reopen(std::size_t target, const ring::Link& link);
  void tell(const LinkChange& change);
  [[nodiscard]] bool may_tell(const std::string& interface);
  void warn_once(std::size_t target, const std::string& warning);

  Interfaces& interfaces_;
  CaptureSockets& capture_;
  std::span<const std::unique_ptr<Reader>> readers_;
  Log& log_;
  ring::LinkEvents events_;
  Locality locality_;  // as the readers have it
  bool settling_ = false;
  bool unread_ = false;                     // when last tried
  std::vector<std::string> last_warnings_;  // by target; empty: none since it was well
  std::map<std::string, News> news_;        // by interface
};

}  // namespace tcpeek::engine
