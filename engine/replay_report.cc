#include "engine/replay_report.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "engine/base/service_names.h"
#include "engine/base/text.h"
#include "engine/base/write_all.h"
#include "engine/serve/web_page.h"
#include "ipc/explain_json.h"
#include "ipc/history_json.h"
#include "ipc/json_text.h"
#include "ipc/stats_json.h"
#include "ipc/top_json.h"

namespace tcpeek::engine {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr minutes kEachSecond{10};
constexpr std::chrono::hours kEachTenSeconds{2};

[[noreturn]] void fail(std::string_view what, const std::string& path) {
  throw std::system_error(errno, std::generic_category(),
                          fmt::format("--report: cannot {} {}", what, in_quotes(path)));
}

// rename() would tell only at the end.
void refuse_directory(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return;
  errno = EISDIR;
  fail("write", path);
}

ring::Descriptor open_beside(std::string& name) {
  ring::Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
  if (file.get() < 0) fail("create a file beside", name.substr(0, name.size() - 7));
  // As any file that is made; mkostemp() makes one for its owner alone.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file.get(), 0666 & ~mask) != 0) fail("set the mode of", name);
  return file;
}

ReplayReport::Uptime step_after(ReplayReport::Uptime at) noexcept {
  if (at < kEachSecond) return seconds(1);
  return at < kEachTenSeconds ? ReplayReport::Uptime(seconds(10)) : minutes(1);
}

}  // namespace

std::string json_in_html(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      text += R"(\u003c)";
    } else {
      text += c;
    }
  }
  return text;
}

ReplayReport::ReplayReport(std::string path, Redactor* redactor)
    : path_(std::move(path)),
      written_(path_ + ".XXXXXX"),
      file_(open_beside(written_)),
      services_(service_names_here()),
      redactor_(redactor) {
  refuse_directory(path_);
}

ReplayReport::~ReplayReport() {
  if (!written_.empty()) static_cast<void>(::unlink(written_.c_str()));
}

void ReplayReport::skip_to(Uptime packet) noexcept {
  const Uptime step = step_after(packet);
  next_ = std::max(next_, packet / step * step);
}

void ReplayReport::sample(ipc::Snapshot counts, const ipc::Top& services) {
  const Uptime at = next_;
  next_ += step_after(at);
  take(counts, services, at);
}

void ReplayReport::take(ipc::Snapshot& counts, const ipc::Top& services, Uptime at) {
  counts.uptime = at;
  counts.taken = counts.started + at;
  if (history_.on_second(counts)) history_.on_services(services, counts.clock());
}

void ReplayReport::write(Whole whole) {
  const Uptime lasted = whole.counts.uptime;
  ipc::Snapshot end = whole.counts;
  // The last row is whole: rows are of seconds, those of a day of minutes.
  const Uptime last = lasted < kEachSecond
                          ? Uptime(std::chrono::floor<seconds>(lasted) + seconds(1))
                          : std::chrono::floor<minutes>(lasted) + minutes(1);
  take(end, whole.services, last);
  std::string page(web_page());
  const std::size_t begin = page.find(kReportBegin) + kReportBegin.size();
  page.replace(begin, page.find(kReportEnd, begin) - begin,
               json_in_html(json({.counts = std::move(end),
                                  .services = std::move(whole.services),
                                  .explanation = std::move(whole.explanation),
                                  .files = std::move(whole.files)})));
  write_out(page);
}

std::string ReplayReport::json(const Whole& whole) const {
  std::string files;
  for (const std::string& file : whole.files) {
    if (!files.empty()) files += ',';
    files += ipc::json_quoted(file);
  }
  std::string text =
      redacted(fmt::format(R"({{"files":[{}],"stats":{},"top":{},"explain":{},"history":{},)",
                           files, ipc::stats_reply(whole.counts), ipc::top_reply(whole.services),
                           ipc::explain_reply(whole.explanation),
                           ipc::history_reply(history_.report(whole.counts, std::nullopt))));
  // These were redacted one by one.
  text += fmt::format(R"("services":{},"failures_left_out":{},"failures":[{}]}})", services_,
                      failures_.left_out(), fmt::join(failures_.lines(), ","));
  return text;
}

std::string ReplayReport::redacted(std::string json) const {
  return redactor_ == nullptr ? std::move(json) : redactor_->text(json);
}

void ReplayReport::write_out(std::string_view text) {
  if (!write_all(file_.get(), text)) fail("write", path_);
  if (::rename(written_.c_str(), path_.c_str()) != 0) fail("rename what was written to", path_);
  written_.clear();
}

}  // namespace tcpeek::engine
