#include "engine/live/link_watcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

using ipc::InterfaceState;
using std::chrono::milliseconds;

constexpr milliseconds kSettle{50};
constexpr milliseconds kInterval{5000};
// Of one interface, before messages about it are suppressed until kNewsInterval is over.
constexpr unsigned kMostNews = 10;
constexpr std::chrono::minutes kNewsInterval{1};

}  // namespace

LinkWatcher::LinkWatcher(Interfaces& interfaces, Locality locality, CaptureSockets& sockets,
                         Readers& readers, const FilterRegistry& filters, Log& log)
    : interfaces_(interfaces),
      sockets_(sockets),
      readers_(readers),
      filters_(filters),
      log_(log),
      locality_(std::move(locality)),
      warnings_(interfaces.targets().size()) {
  for (const ring::CaptureTarget& target : interfaces.targets()) {
    known_names_.push_back(target.name);
  }
}

void LinkWatcher::watch(ipc::Reactor& reactor) {
  for (const ipc::InterfaceStats& interface : interfaces_.stats()) {
    if (interface.state != InterfaceState::up) log_change({interface.name, interface.state});
  }
  reactor.on_readable(events_.descriptor(), [this, &reactor] { on_news(reactor); });
  // For the devices' own drop counters.
  reactor.every(kInterval, [this] { look(); });
}

// Changes come in bursts: one look when they have settled is enough.
void LinkWatcher::on_news(ipc::Reactor& reactor) {
  if (!events_.drain() || settling_) return;
  settling_ = true;
  reactor.after(kSettle, [this] {
    settling_ = false;
    look();
  });
}

void LinkWatcher::each_second() {
  readers_.collect_rules();
  collect_sockets();
  // When there were no sockets left at the news, or the news was lost.
  if (any_lost()) look();
}

void LinkWatcher::look() {
  ring::LinkState links;
  if (!read(links)) return;
  collect_sockets();
  follow(links);
  update(links);
}

// Where links cannot be read just now, the next look brings the networks.
void LinkWatcher::go_by_new_rules(std::vector<Prefix> local_networks) {
  interfaces_.use_local(std::move(local_networks));
  ring::LinkState links;
  if (read(links)) locality_ = interfaces_.locality(links);
  readers_.go_by(filters_, locality_);
}

void LinkWatcher::finish() {
  ring::LinkState links;
  if (read(links)) static_cast<void>(interfaces_.update(links));
}

bool LinkWatcher::read(ring::LinkState& links) {
  try {
    links = ring::read_links();
  } catch (const std::system_error& e) {
    if (!unread_)
      log_.warning("{}; continuing with the interfaces and addresses known last", e.what());
    unread_ = true;
    return false;
  }
  if (std::exchange(unread_, false)) log_.notice("interfaces and addresses can be read again");
  return true;
}

void LinkWatcher::update(const ring::LinkState& links) {
  for (const LinkChange& change : interfaces_.update(links)) log_change(change);
  Locality locality = interfaces_.locality(links);
  if (locality == locality_) return;
  locality_ = std::move(locality);
  readers_.go_by(filters_, locality_);
}

void LinkWatcher::follow(const ring::LinkState& links) {
  for (std::size_t i = 0; i < interfaces_.targets().size(); ++i) {
    if (interfaces_.targets()[i].index != 0) follow(i, links);
  }
}

// The interface that has the target's name gets the sockets, be it recreated or another one. One that
// was only renamed is captured until another takes the name.
void LinkWatcher::follow(std::size_t target, const ring::LinkState& links) {
  const ring::CaptureTarget& captured = interfaces_.targets()[target];
  const ring::Link* named = links.find(captured.name);
  const bool lost = sockets_.lost(target);
  if (!lost) note_rename(target, links);
  if (named == nullptr || (!lost && named->index == captured.index)) return;
  // Before Linux 6.13 a group takes sockets of interfaces that are up only. That it is set up is news.
  if (named->up || readers_.size() == 1) reopen(target, *named);
}

void LinkWatcher::note_rename(std::size_t target, const ring::LinkState& links) {
  const ring::CaptureTarget& captured = interfaces_.targets()[target];
  const auto link = std::ranges::find(links.links, captured.index, &ring::Link::index);
  if (link == links.links.end() || link->name == known_names_[target]) return;
  known_names_[target] = link->name;
  if (link->name == captured.name) {
    log_.notice("{} has its name back", printable(captured.name));
    return;
  }
  const bool taken = links.find(captured.name) != nullptr;
  log_.warning("{} was renamed to {}{}", printable(captured.name), printable(link->name),
               taken ? " and another interface took its name: capturing that one from now on"
                     : ": still capturing it, until another interface is given that name");
}

void LinkWatcher::collect_sockets() {
  for (std::size_t reader = 0; reader < readers_.size(); ++reader) {
    for (std::size_t i = 0; i < interfaces_.targets().size(); ++i) {
      if (auto source = readers_[reader].collect(i)) sockets_.put_back(i, std::move(*source));
    }
  }
}

bool LinkWatcher::any_lost() const noexcept {
  for (std::size_t i = 0; i < interfaces_.targets().size(); ++i) {
    if (sockets_.lost(i)) return true;
  }
  return false;
}

void LinkWatcher::reopen(std::size_t target, const ring::Link& link) {
  if (ring::access_for(link) != interfaces_.targets()[target].access) {
    warn_once(
        target,
        fmt::format("{} is back as another kind of interface: restart tcpeek to capture there",
                    printable(link.name)));
    return;
  }
  try {
    std::vector<FramedSocket> sources = sockets_.reopen(target, link.index);
    if (sources.empty()) return warn_if_used_up(target, link);
    interfaces_.rebind(target, link.index);
    known_names_[target] = link.name;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      auto untaken = readers_[i].replace(target, std::move(sources[i]));
      if (untaken) sockets_.put_back(target, std::move(*untaken));
    }
    if (sources.size() == readers_.size()) {
      warnings_[target].clear();
      return;
    }
    warn_once(
        target,
        fmt::format(
            "{} was recreated so often that no spare sockets are left for all readers: reader 0 "
            "captures there alone until tcpeek is restarted",
            printable(link.name)));
  } catch (const std::system_error& e) {
    warn_once(target, fmt::format("{}; trying again", e.what()));
  }
}

// Else they are still with the readers.
void LinkWatcher::warn_if_used_up(std::size_t target, const ring::Link& link) {
  if (!sockets_.used_up(target)) return;
  warn_once(target,
            fmt::format("{} is back, and no spare socket is left: restart tcpeek to capture there",
                        printable(link.name)));
}

// What flaps for months must not fill the log.
bool LinkWatcher::may_log(const std::string& interface) {
  News& news = news_[interface];
  const auto now = std::chrono::steady_clock::now();
  if (now - news.since >= kNewsInterval) news = {.since = now};
  if (++news.logged == kMostNews + 1) {
    log_.warning("{} is flapping; suppressing messages for one minute", printable(interface));
  }
  return news.logged <= kMostNews;
}

void LinkWatcher::log_change(const LinkChange& change) {
  if (!may_log(change.name)) return;
  const std::string name = printable(change.name);
  switch (change.now) {
    case InterfaceState::up:
      log_.notice("{} is up: capturing goes on", name);
      return;
    case InterfaceState::no_carrier:
      log_.warning("{} has no carrier: nothing to capture there until its other end is up", name);
      return;
    case InterfaceState::down:
      log_.warning("{} is down: nothing to capture there until it is up", name);
      return;
    case InterfaceState::gone:
      log_.warning("{} is gone: waiting until there is an interface of that name again{}", name,
                   interfaces_.all_gone() ? "; nothing is captured meanwhile" : "");
  }
}

// Not again and again what is tried again and again, nor two warnings in turn.
void LinkWatcher::warn_once(std::size_t target, const std::string& warning) {
  if (warnings_[target].insert(warning).second) log_.warning("{}", warning);
}

}  // namespace tcpeek::engine
