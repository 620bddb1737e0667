#include "engine/live/link_watcher.h"

#include <fmt/format.h>

#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

namespace tcpeek::engine {
namespace {

using ipc::InterfaceState;
using std::chrono::milliseconds;

constexpr milliseconds kSettle{50};
constexpr milliseconds kInterval{5000};
// Of one interface, before there is silence about it until kNewsInterval is over.
constexpr unsigned kMostNews = 10;
constexpr std::chrono::minutes kNewsInterval{1};

}  // namespace

LinkWatcher::LinkWatcher(Interfaces& interfaces, Locality locality, CaptureSockets& capture,
                         std::span<const std::unique_ptr<Reader>> readers, Log& log)
    : interfaces_(interfaces),
      capture_(capture),
      readers_(readers),
      log_(log),
      locality_(std::move(locality)),
      last_warnings_(interfaces.targets().size()) {}

void LinkWatcher::watch(ipc::Reactor& reactor) {
  for (const ipc::InterfaceStats& interface : interfaces_.stats()) {
    if (interface.state != InterfaceState::up) tell({interface.name, interface.state});
  }
  reactor.on_readable(events_.descriptor(), [this, &reactor] { on_news(reactor); });
  // For the devices' own drop counters.
  reactor.every(kInterval, [this] { read_links(); });
}

// Changes come in bursts: one look when they have settled is enough.
void LinkWatcher::on_news(ipc::Reactor& reactor) {
  if (!events_.drain() || settling_) return;
  settling_ = true;
  reactor.after(kSettle, [this] {
    settling_ = false;
    read_links();
  });
}

void LinkWatcher::each_second() {
  for (const auto& reader : readers_) reader->locality().collect();
  collect_sockets();
  // When there were no sockets left at the news, or the news was lost.
  if (any_lost()) read_links();
}

void LinkWatcher::read_links() {
  ring::LinkState links;
  try {
    links = ring::read_links();
  } catch (const std::system_error& e) {
    if (!unread_) log_.warning("{}; going on with what was known", e.what());
    unread_ = true;
    return;
  }
  if (std::exchange(unread_, false)) log_.notice("interfaces and addresses can be read again");
  collect_sockets();
  follow(links);
  for (const LinkChange& change : interfaces_.update(links)) tell(change);

  Locality locality = interfaces_.locality(links);
  if (locality == locality_) return;
  locality_ = std::move(locality);
  for (const auto& reader : readers_) {
    reader->locality().collect();
    reader->locality().offer(std::make_unique<const Locality>(locality_));
  }
}

// An interface that was deleted and made anew gets new sockets.
void LinkWatcher::follow(const ring::LinkState& links) {
  const auto& targets = interfaces_.targets();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (!capture_.lost(i)) continue;
    const ring::Link* link = links.find(targets[i].name);
    if (link == nullptr) continue;
    // Before Linux 6.13 a group takes sockets of interfaces that are up only. That it is set up is news.
    if (link->up || readers_.size() == 1) reopen(i, *link);
  }
}

void LinkWatcher::collect_sockets() {
  for (const auto& reader : readers_) {
    for (std::size_t i = 0; i < interfaces_.targets().size(); ++i) {
      if (auto source = reader->collect(i)) capture_.put_back(i, std::move(*source));
    }
  }
}

bool LinkWatcher::any_lost() const noexcept {
  for (std::size_t i = 0; i < interfaces_.targets().size(); ++i) {
    if (capture_.lost(i)) return true;
  }
  return false;
}

void LinkWatcher::reopen(std::size_t target, const ring::Link& link) {
  if (ring::access_for(link) != interfaces_.targets()[target].access) {
    warn_once(
        target,
        fmt::format("{} is back as another kind of interface: restart tcpeek to capture there",
                    link.name));
    return;
  }
  try {
    std::vector<FramedSocket> sources = capture_.reopen(target, link.index);
    if (sources.empty()) return;  // they are still with the readers
    interfaces_.rebind(target, link.index);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      auto untaken = readers_[i]->replace(target, std::move(sources[i]));
      if (untaken) capture_.put_back(target, std::move(*untaken));
    }
    if (sources.size() == readers_.size()) {
      last_warnings_[target].clear();
      return;
    }
    warn_once(
        target,
        fmt::format(
            "{} was made anew so often that no spare sockets are left for all readers: reader 0 "
            "captures there alone until tcpeek is restarted",
            link.name));
  } catch (const std::system_error& e) {
    warn_once(target, fmt::format("{}; trying again", e.what()));
  }
}

// What flaps for months must not fill the log.
bool LinkWatcher::may_tell(const std::string& interface) {
  News& news = news_[interface];
  const auto now = std::chrono::steady_clock::now();
  if (now - news.since >= kNewsInterval) news = {.since = now};
  if (++news.told == kMostNews + 1) {
    log_.warning("{} comes and goes again and again: no more is told of that for a minute",
                 interface);
  }
  return news.told <= kMostNews;
}

void LinkWatcher::tell(const LinkChange& change) {
  if (!may_tell(change.name)) return;
  switch (change.now) {
    case InterfaceState::up:
      log_.notice("{} is up: capturing goes on", change.name);
      return;
    case InterfaceState::no_carrier:
      log_.warning("{} has no carrier: nothing to capture there until its other end is up",
                   change.name);
      return;
    case InterfaceState::down:
      log_.warning("{} is down: nothing to capture there until it is up", change.name);
      return;
    case InterfaceState::gone:
      log_.warning("{} is gone: waiting until there is an interface of that name again{}",
                   change.name, interfaces_.all_gone() ? "; nothing is captured meanwhile" : "");
  }
}

// Not again and again what is tried again and again.
void LinkWatcher::warn_once(std::size_t target, const std::string& warning) {
  if (warning != last_warnings_[target]) log_.warning("{}", warning);
  last_warnings_[target] = warning;
}

}  // namespace tcpeek::engine
