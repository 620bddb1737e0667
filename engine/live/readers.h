// All readers as one object: their threads, mailboxes, outcome queues and reports.
//
// Thread contract: the reactor's thread.
// Errors: start() throws what kept a reader from starting; none runs then.
#pragma once

#include <functional>
#include <latch>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/event_fd.h"
#include "engine/filters/filter_registry.h"
#include "engine/live/mailbox.h"
#include "engine/live/reader.h"
#include "engine/pipeline/snapshot_builder.h"

namespace tcpeek::engine {

class Readers {
 public:
  using Mailboxes = std::vector<std::unique_ptr<Mailbox>>;

  // Reader i's sockets are sources[i]. Rules are those in force. `closer` outlives them.
  Readers(const std::vector<ReaderConfig>& configs, std::vector<std::vector<FramedSocket>> sources,
          const FilterRegistry& filters, const Locality& locality, SocketCloser& closer)
      : Readers(configs, std::move(sources), filters, locality, closer,
                mailboxes_for(configs.size(), configs.size())) {}
  // With mailboxes, one for each reader, that others send to as well.
  Readers(const std::vector<ReaderConfig>& configs, std::vector<std::vector<FramedSocket>> sources,
          const FilterRegistry& filters, const Locality& locality, SocketCloser& closer,
          Mailboxes mailboxes);
  ~Readers();
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  [[nodiscard]] static Mailboxes mailboxes_for(std::size_t readers, std::size_t senders);

  // Starts all of them, side by side. False: `interrupted` became true meanwhile, and all have ended.
  [[nodiscard]] bool start(const std::function<bool()>& interrupted);
  // Has all read what was captured until now and make their last reports. They go on to give back memory
  // and close sockets; the destructor waits for that.
  void stop() noexcept;

  // From now on all use these rules.
  void go_by(const FilterRegistry& filters, const Locality& locality);
  // Frees rules that readers have given back.
  void collect_rules();
  // Drops removed filters whose last attempt has ended. Precondition: reports are ready.
  void settle(FilterRegistry& filters) const;

  // Whether any reader would report something else than in its last report.
  [[nodiscard]] bool changed() const noexcept;
  enum class Ask { all, changed };
  // Requests a report from every reader, or from those that have something to tell; check reports_ready() when the
  // descriptor below is readable. Returns how many were asked.
  std::size_t request_reports(Ask ask = Ask::all) noexcept;
  [[nodiscard]] bool reports_ready() noexcept;
  [[nodiscard]] int report_descriptor() const noexcept { return report_ready_.descriptor(); }
  // Of the current reports, or of the last ones when all readers have ended.
  [[nodiscard]] std::vector<ReaderView> views() const;

  [[nodiscard]] std::span<OutcomeQueue* const> outcomes() const noexcept { return outcomes_; }
  // From now on outcomes are queued, or are not.
  void listen(bool listen);
  // Call whenever all readers have reported since the last call: gives back the memory of queues that
  // nobody listens to.
  void release_queues() noexcept;
  // After stop().
  [[nodiscard]] std::vector<const TopReport*> answer_at_once(const TopQuery& query);
  [[nodiscard]] std::size_t size() const noexcept { return readers_.size(); }
  [[nodiscard]] Reader& operator[](std::size_t i) noexcept { return *readers_[i]; }

 private:
  void start_threads();
  [[nodiscard]] bool all_started(const std::function<bool()>& interrupted);
  void stop_and_join() noexcept;

  SocketCloser& closer_;
  EventFd report_ready_;
  const Mailboxes mailboxes_;
  std::latch last_mailed_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<OutcomeQueue*> outcomes_;  // the readers'
  // Rounds of reports until no reader can be putting anything in an ignored queue; 0: none is ignored, or its
  // memory was given back.
  unsigned rounds_to_release_ = 0;
  std::size_t filter_room_;  // filter numbers that readers have, or were given, room for
};

}  // namespace tcpeek::engine
