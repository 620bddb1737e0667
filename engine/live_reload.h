// New rules for a tcpeek that runs: what RELOAD brings, checked, compared with what is in force, and put
// in its place as a whole or not at all.
//
// How it works: the request is a command line, parsed like the one at the start (engine/reload_client.h builds it,
// including what the file says). Options that it does not mention keep the values of the start, so that reloading the
// file alone works; the socket stays. Other options that only a start can change must be equal. FilterRegistry numbers
// the filters, so that attempts in flight end under the rules they began under; the readers get the rules by Handover,
// as they do when addresses change.
//
// Thread contract: the reactor's thread. What it is given outlives it.
// Errors: all are part of the reply; nothing has changed then.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/alerts/health.h"
#include "engine/config/options.h"
#include "engine/filters/filter_registry.h"
#include "engine/live/link_watcher.h"
#include "engine/output/log.h"
#include "engine/output/reporter.h"
#include "ipc/reload.h"

namespace tcpeek::engine {

class LiveReload {
 public:
  // `running` is what the program runs with, and kept current.
  LiveReload(Options& running, FilterRegistry& filters, LinkWatcher& link_watcher, Health& health,
             Reporter& reporter, Log& log)
      : running_(running),
        filters_(filters),
        link_watcher_(link_watcher),
        health_(health),
        reporter_(reporter),
        log_(log) {}

  // The reply to RELOAD; none to another word.
  [[nodiscard]] std::optional<std::string> answer(std::string_view request);

 private:
  [[nodiscard]] Options wanted_by(const ipc::ReloadRequest& request) const;
  [[nodiscard]] ipc::ReloadReport reload(const ipc::ReloadRequest& request);

  Options& running_;
  FilterRegistry& filters_;
  LinkWatcher& link_watcher_;
  Health& health_;
  Reporter& reporter_;
  Log& log_;
};

}  // namespace tcpeek::engine
