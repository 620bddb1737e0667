// Keeps current what is known of the machine's links while the program runs: addresses for the
// readers' rules, which interfaces are up, and new sockets for an interface that was deleted and
// recreated, or whose name another one has taken.
//
// Notifications come by rtnetlink and only say that it is time to look; a slow timer looks as well.
//
// Thread contract: the reactor's thread. What it is given outlives it.
// Errors: the constructor throws std::system_error; later ones are logged, and tried again.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/filters/filter_registry.h"
#include "engine/live/capture_sockets.h"
#include "engine/live/interfaces.h"
#include "engine/live/readers.h"
#include "engine/output/log.h"
#include "ipc/reactor.h"
#include "ring/links.h"

namespace tcpeek::engine {

class LinkWatcher {
 public:
  // `locality` is what the readers start with.
  LinkWatcher(Interfaces& interfaces, Locality locality, CaptureSockets& sockets, Readers& readers,
              const FilterRegistry& filters, Log& log);

  void watch(ipc::Reactor& reactor);
  // To be called about once a second.
  void each_second();
  // Has the readers go by the filters as they are now, where these networks are local, too.
  void go_by_new_rules(std::vector<Prefix> local_networks);
  // Looks for the last time: at what the devices dropped.
  void finish();

 private:
  // What was logged of an interface lately.
  struct News {
    std::chrono::steady_clock::time_point since;
    unsigned logged = 0;
  };

  void on_news(ipc::Reactor& reactor);
  void look();
  [[nodiscard]] bool read(ring::LinkState& links);
  void update(const ring::LinkState& links);
  void follow(const ring::LinkState& links);
  void follow(std::size_t target, const ring::LinkState& links);
  void note_rename(std::size_t target, const ring::LinkState& links);
  void collect_sockets();
  [[nodiscard]] bool any_lost() const noexcept;
  void reopen(std::size_t target, const ring::Link& link);
  void warn_if_used_up(std::size_t target, const ring::Link& link);
  void log_change(const LinkChange& change);
  [[nodiscard]] bool may_log(const std::string& interface);
  void warn_once(std::size_t target, const std::string& warning);

  Interfaces& interfaces_;
  CaptureSockets& sockets_;
  Readers& readers_;
  const FilterRegistry& filters_;
  Log& log_;
  ring::LinkEvents events_;
  Locality locality_;  // as the readers have it
  bool settling_ = false;
  bool unread_ = false;                          // when last tried
  std::vector<std::set<std::string>> warnings_;  // by target: those since it was well
  std::vector<std::string> known_names_;         // by target: what the interface captured is called
  std::map<std::string, News> news_;             // by interface
};

}  // namespace tcpeek::engine
