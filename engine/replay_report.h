// The page that --report writes of capture files: the one that --web serves, with what it would ask for in it.
//
// How it works: while the files are read it is given the counts at whole seconds of packet time, from which it
// makes a history as live capture has one: each second of the first ten minutes, then ten seconds, then
// minutes, as a count of each takes a look at all tables. The file is written under another name beside
// the one that was asked for, and renamed at the end: nobody sees half of it, and if the run fails there is none.
//
// Thread contract: the main thread's.
// Errors: std::system_error naming the file, on construction and on writing.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/output/recent_failures.h"
#include "engine/output/redactor.h"
#include "engine/serve/history.h"
#include "ipc/explain.h"
#include "ipc/snapshot.h"
#include "ipc/top.h"
#include "ring/descriptor.h"

namespace tcpeek::engine {

// JSON as the text of a script element: no `<` in it.
[[nodiscard]] std::string json_in_html(std::string_view json);

class ReplayReport {
 public:
  using Uptime = std::chrono::milliseconds;

  // Opens the file, and reads names of ports: before privileges are dropped. `redactor`: null, or outlives this.
  ReplayReport(std::string path, Redactor* redactor);
  // Removes what has not become the report.
  ~ReplayReport();
  ReplayReport(const ReplayReport&) = delete;
  ReplayReport& operator=(const ReplayReport&) = delete;

  [[nodiscard]] RecentFailures& failures() noexcept { return failures_; }

  // The time of the next sample, counted from the first packet.
  [[nodiscard]] Uptime next() const noexcept { return next_; }
  // The next packet is of that time: where nothing happens for long, one sample is enough.
  void skip_to(Uptime packet) noexcept;
  // What was counted up to next().
  void sample(ipc::Snapshot counts, const ipc::Top& services);

  struct Whole {
    ipc::Snapshot counts;
    ipc::Top services;
    ipc::Explanation explanation;
    std::vector<std::string> files;
  };
  // The end: what was counted in all.
  void write(Whole whole);

 private:
  void take(ipc::Snapshot& counts, const ipc::Top& services, Uptime at);
  [[nodiscard]] std::string json(const Whole& whole) const;
  [[nodiscard]] std::string redacted(std::string json) const;
  void write_out(std::string_view text);

  const std::string path_;
  std::string written_;  // under this name; empty: renamed
  ring::Descriptor file_;
  const std::string services_;
  Redactor* const redactor_;
  RecentFailures failures_;
  History history_;
  Uptime next_{std::chrono::seconds(1)};
};

}  // namespace tcpeek::engine
