#include "engine/live/readers.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <system_error>
#include <utility>

namespace tcpeek::engine {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{20};

}  // namespace

Readers::Readers(const std::vector<ReaderConfig>& configs,
                 std::vector<std::vector<FramedSocket>> sources, const FilterRegistry& filters,
                 const Locality& locality, SocketCloser& closer, Mailboxes mailboxes)
    : closer_(closer),
      mailboxes_(std::move(mailboxes)),
      last_mailed_(static_cast<std::ptrdiff_t>(configs.size())),
      filter_room_(filters.id_bound()) {
  for (std::size_t i = 0; i < configs.size(); ++i) {
    readers_.push_back(std::make_unique<Reader>(configs[i], std::move(sources[i]),
                                                reader_rules(filters, locality), mailboxes_,
                                                report_ready_, closer));
    outcomes_.push_back(&readers_.back()->outcomes());
  }
}

Readers::Mailboxes Readers::mailboxes_for(std::size_t readers, std::size_t senders) {
  Mailboxes mailboxes;
  for (std::size_t i = 0; i < readers; ++i) mailboxes.push_back(std::make_unique<Mailbox>(senders));
  return mailboxes;
}

Readers::~Readers() {
  stop_and_join();
}

// Readers wait for each other when they end: all must know before the first is joined.
void Readers::stop_and_join() noexcept {
  stop();
  closer_.close_all();
  for (const auto& reader : readers_) reader->join();
}

void Readers::start_threads() {
  std::size_t started = 0;
  try {
    for (const auto& reader : readers_) {
      ++started;
      reader->start(last_mailed_);
    }
  } catch (...) {
    // Those that did start must not wait for the others when they stop.
    last_mailed_.count_down(static_cast<std::ptrdiff_t>(readers_.size() - started));
    throw;
  }
}

bool Readers::start(const std::function<bool()>& interrupted) {
  try {
    start_threads();
    if (all_started(interrupted)) return true;
  } catch (...) {
    stop_and_join();
    throw;
  }
  stop_and_join();
  return false;
}

bool Readers::all_started(const std::function<bool()>& interrupted) {
  bool given_up = false;
  for (const auto& reader : readers_) {
    while (!reader->started(kBetweenLooks)) {
      if (given_up || !interrupted()) continue;
      given_up = true;
      for (const auto& each : readers_) each->stop();
    }
  }
  return !given_up;
}

void Readers::stop() noexcept {
  for (const auto& reader : readers_) reader->stop();
  for (const auto& reader : readers_) reader->await_last_report();
}

void Readers::go_by(const FilterRegistry& filters, const Locality& locality) {
  const bool more_filters = filters.id_bound() > filter_room_;
  filter_room_ = std::max(filter_room_, filters.id_bound());
  for (const auto& reader : readers_) {
    Handover<ReaderRules>& rules = reader->rules();
    rules.collect();
    const std::unique_ptr<ReaderRules> untaken = rules.withdraw();
    auto next = more_filters
                    ? reader_rules(filters, locality)
                    : std::make_unique<ReaderRules>(ReaderRules{filters.ruleset(locality), {}, {}});
    if (untaken != nullptr && !more_filters) {
      next->counting = std::move(untaken->counting);
      next->reported = std::move(untaken->reported);
    }
    rules.offer(std::move(next));
    reader->wake();
  }
}

void Readers::collect_rules() {
  for (const auto& reader : readers_) {
    // It may wait with a newer generation until then.
    if (reader->rules().collect() != nullptr) reader->wake();
  }
}

void Readers::settle(FilterRegistry& filters) const {
  std::uint32_t adopted = std::numeric_limits<std::uint32_t>::max();
  for (const auto& reader : readers_) adopted = std::min(adopted, reader->report().generation);
  filters.settle(adopted, [this](FilterId id) {
    std::uint64_t pending = 0;
    for (const auto& reader : readers_) {
      const auto& counts = reader->report().outcomes.filters;
      if (id < counts.size()) pending += counts[id][ipc::Tally::pending];
    }
    return pending;
  });
}

bool Readers::changed() const noexcept {
  return std::ranges::any_of(readers_,
                             [](const auto& reader) { return !reader->report_current(); });
}

// Queues that are ignored can be released only when every reader has been seen between two rounds.
std::size_t Readers::request_reports(Ask ask) noexcept {
  const bool all = ask == Ask::all || rounds_to_release_ != 0;
  std::size_t asked = 0;
  for (const auto& reader : readers_) {
    if (!all && reader->report_current()) continue;
    reader->request_report();
    ++asked;
  }
  return asked;
}

bool Readers::reports_ready() noexcept {
  report_ready_.clear();
  return std::ranges::all_of(readers_, [](const auto& reader) { return reader->report_ready(); });
}

void Readers::listen(bool listen) {
  for (OutcomeQueue* queue : outcomes_) {
    if (listen) {
      queue->listen();
    } else {
      queue->ignore();
    }
  }
  // The report that comes next may have been requested before.
  rounds_to_release_ = listen ? 0 : 2;
}

void Readers::release_queues() noexcept {
  if (rounds_to_release_ == 0 || --rounds_to_release_ != 0) return;
  for (OutcomeQueue* queue : outcomes_) queue->release();
}

std::vector<ReaderView> Readers::views() const {
  std::vector<ReaderView> views;
  for (const auto& reader : readers_) {
    views.push_back({.report = &reader->report(),
                     .id = reader->id(),
                     .cpu = reader->cpu() ? static_cast<int>(*reader->cpu()) : -1,
                     .mailbox_depth = reader->mailbox_depth(),
                     .event_queue_depth = reader->outcomes().size()});
  }
  return views;
}

std::vector<const TopReport*> Readers::answer_at_once(const TopQuery& query) {
  std::vector<const TopReport*> reports;
  for (const auto& reader : readers_) reports.push_back(&reader->answer_at_once(query));
  return reports;
}

}  // namespace tcpeek::engine
