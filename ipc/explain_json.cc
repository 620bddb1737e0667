#include "ipc/explain_json.h"

#include <cstddef>
#include <utility>

#include "ipc/failure_json.h"
#include "ipc/json_text.h"
#include "ipc/json_writer.h"

namespace tcpeek::ipc {
namespace {

constexpr std::size_t kUsualExplanationBytes = 1024;
constexpr std::size_t kUsualFindingBytes = 3072;

void write_sentences(JsonWriter& json, std::string_view name,
                     const std::vector<std::string>& sentences) {
  json.array(name, [&] {
    for (const std::string& sentence : sentences) json.item(json_quoted(sentence));
  });
}

void write_subject(JsonWriter& json, const Finding& finding) {
  json.object("subject", [&] {
    json.member("text", finding.subject);
    json.member("direction", finding.direction);
    json.member("count", finding.service_count);
    json.array("services", [&] {
      for (const ExplainedService& service : finding.services) {
        json.object([&] {
          json.member("address", service.address);
          json.member("port", service.port);
        });
      }
    });
  });
}

void write_figures(JsonWriter& json, const FindingFigures& figures) {
  json.object("figures", [&] {
    json.member("attempts", figures.attempts);
    json.member("success", figures.success);
    json.member("pending", figures.pending);
    json.member("retrying", figures.retrying);
    json.member("evicted", figures.evicted);
    write_failures(json, figures.failures);
    json.object("recent", [&] {
      json.member("attempts", figures.recent_attempts);
      json.member("failures", figures.recent_failures);
    });
  });
}

void write_times(JsonWriter& json, const FindingTimes& times) {
  json.object("since", [&] {
    json.member("never_worked", times.never_worked);
    json.time_member("counting_since", times.counting_since);
    json.time_member("failing_since", times.failing_since);
    json.time_member("last_success", times.last_success);
    json.time_member("last_failure", times.last_failure);
  });
}

void write_finding(JsonWriter& json, const Finding& finding) {
  json.member("verdict", word(finding.verdict));
  json.member("rule", finding.rule);
  json.member("sentence", finding.sentence);
  write_subject(json, finding);
  write_sentences(json, "evidence", finding.evidence);
  write_sentences(json, "limits", finding.limits);
  write_figures(json, finding.figures);
  write_times(json, finding.times);
  write_sentences(json, "next", finding.next);
}

void write_explanation(JsonWriter& json, const Explanation& explanation) {
  json.member("schema", kExplainSchema);
  json.member("time", rfc3339_utc(explanation.taken));
  json.object("recent_seconds", [&] {
    json.member("min", explanation.recent_at_least.count());
    json.member("max", explanation.recent_at_most.count());
  });
  json.member("summary", explanation.summary);
  json.member("uncertain", !explanation.doubts.empty());
  write_sentences(json, "doubts", explanation.doubts);
  json.object("totals", [&] {
    json.member("attempts", explanation.attempts);
    json.member("success", explanation.success);
    json.member("failures", explanation.failures);
    json.member("pending", explanation.pending);
    json.member("retrying", explanation.retrying);
    json.member("evicted", explanation.evicted);
  });
  json.array("findings", [&] {
    for (const Finding& finding : explanation.findings) {
      json.object([&] { write_finding(json, finding); });
    }
  });
  json.object("bounds", [&] {
    json.member("more_findings", explanation.more_findings);
    json.member("services", explanation.services_known);
    json.member("services_examined", explanation.services_examined);
    json.member("unlisted_recent_failures", explanation.unlisted_failures);
  });
}

}  // namespace

std::string explain_reply(const Explanation& explanation) {
  JsonWriter json(kUsualExplanationBytes + explanation.findings.size() * kUsualFindingBytes);
  json.object([&] { write_explanation(json, explanation); });
  return std::move(json).take();
}

}  // namespace tcpeek::ipc
