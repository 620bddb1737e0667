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

#include "engine/capture.h"
#include "engine/interfaces.h"
#include "engine/log.h"
#include "engine/shard.h"
#include "ipc/reactor.h"
#include "ring/links.h"

namespace tcpeek::engine {

class LinkFollower {
 public:
  // `locality` is what the readers start with.
  LinkFollower(Interfaces& interfaces, Locality locality, Capture& capture,
               std::span<const std::unique_ptr<Shard>> shards, Log& log);

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
  Capture& capture_;
  std::span<const std::unique_ptr<Shard>> shards_;
  Log& log_;
  ring::LinkEvents events_;
  Locality locality_;  // as the readers have it
  bool settling_ = false;
  bool unread_ = false;                     // when last tried
  std::vector<std::string> last_warnings_;  // by target; empty: none since it was well
  std::map<std::string, News> news_;        // by interface
};

}  // namespace tcpeek::engine
