// Keeps current what is known of the machine's links while the program runs: addresses for the
// readers' Locality, which interfaces are up, and new sockets for one that was deleted and made anew.
//
// News comes by rtnetlink and only says that it is time to look; a slow timer looks as well.
//
// Thread contract: the reactor's thread. What it is given outlives it.
// Errors: the constructor throws std::system_error; later ones are told, and tried again.
#pragma once

#include <memory>
#include <span>
#include <string>

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
  void on_news(ipc::Reactor& reactor);
  void follow(const ring::LinkState& links);
  void collect_sockets();
  [[nodiscard]] bool any_lost() const noexcept;
  void reopen(std::size_t target, const ring::Link& link);
  void tell(const LinkChange& change);
  void warn_once(const std::string& warning);

  Interfaces& interfaces_;
  Capture& capture_;
  std::span<const std::unique_ptr<Shard>> shards_;
  Log& log_;
  ring::LinkEvents events_;
  Locality locality_;  // as the readers have it
  bool settling_ = false;
  bool unread_ = false;  // when last tried
  std::string last_warning_;
};

}  // namespace tcpeek::engine
