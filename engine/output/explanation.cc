#include "engine/output/explanation.h"

#include <fmt/format.h>

#include <string_view>

#include "engine/output/local_time.h"

namespace tcpeek::engine {
namespace {

using ipc::Explanation;
using ipc::Finding;
using Lines = std::vector<std::string>;

std::string since_when(const ipc::FindingTimes& times) {
  if (times.never_worked) {
    if (!times.counting_since) return "never seen to work";
    return local_time(*times.counting_since) + ", the first attempt: never seen to work";
  }
  std::string text;
  if (times.failing_since) text = local_time(*times.failing_since);
  if (times.last_success) {
    text +=
        (text.empty() ? "the last success, " : "; last success ") + local_time(*times.last_success);
  }
  return text;
}

// The first one after the label, the others below it.
void add(Lines& lines, std::string_view label, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    lines.push_back(fmt::format("   {:<9} {}", label, text));
    label = "";
  }
}

std::string pending_line(const ipc::PendingAttempt& attempt) {
  return fmt::format("   {} > {}  since {}, {}, {} SYN{}", attempt.initiator, attempt.responder,
                     local_time(attempt.since), attempt.answered ? "answered" : "not answered",
                     attempt.syns, attempt.syns == 1 ? "" : "s");
}

void add_pending(Lines& lines, const Explanation& explanation) {
  if (explanation.pending_attempts.empty()) return;
  lines.emplace_back("");
  lines.push_back(fmt::format("Pending where the file ends: {}", explanation.pending));
  for (const ipc::PendingAttempt& attempt : explanation.pending_attempts) {
    lines.push_back(pending_line(attempt));
  }
  if (explanation.pending > explanation.pending_attempts.size()) {
    lines.push_back(
        fmt::format("   and {} more", explanation.pending - explanation.pending_attempts.size()));
  }
}

}  // namespace

Lines finding_lines(const Finding& finding, std::size_t number) {
  Lines lines{fmt::format("{}. {}: {}", number, ipc::word(finding.verdict), finding.sentence)};
  const std::string since = since_when(finding.times);
  if (!since.empty()) add(lines, "since", {since});
  add(lines, "evidence", finding.evidence);
  add(lines, "limits", finding.limits);
  add(lines, "next", finding.next);
  add(lines, "rule", {std::string(finding.rule)});
  return lines;
}

std::string explanation_page(const Explanation& explanation) {
  Lines lines{"========== TCPEEK EXPLAIN ==========", explanation.summary};
  lines.insert(lines.end(), explanation.doubts.begin(), explanation.doubts.end());
  std::size_t number = 0;
  for (const Finding& finding : explanation.findings) {
    lines.emplace_back("");
    for (std::string& line : finding_lines(finding, ++number)) lines.push_back(std::move(line));
  }
  if (explanation.more_findings != 0) {
    lines.emplace_back("");
    lines.push_back(fmt::format("{} more left out; these matter most.", explanation.more_findings));
  }
  add_pending(lines, explanation);
  lines.emplace_back("====================================");
  return fmt::format("{}", fmt::join(lines, "\n"));
}

}  // namespace tcpeek::engine
