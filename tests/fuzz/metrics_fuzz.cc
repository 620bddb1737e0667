// METRICS: its arguments, Accept and Accept-Encoding as a plain reading has them, and any name in a label: the
// text stays one that can be read, line by line.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <variant>

#include "ipc/gzip.h"
#include "ipc/http_request.h"
#include "ipc/metrics.h"
#include "ipc/metrics_request.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/provided.h"
#include "tests/ipc/metrics_support.h"

namespace tcpeek::fuzz {
namespace {

using ipc::MetricsForm;
using ipc::MetricsRequest;

void check_arguments(const std::string& line) {
  const auto parsed = ipc::parse_metrics_request(line);
  if (!parsed) {
    EXPECT_FALSE(line == "METRICS" || line.starts_with("METRICS "));
    return;
  }
  EXPECT_TRUE(line.starts_with("METRICS"));
  if (const auto* mistake = std::get_if<ipc::MetricsMistake>(&*parsed)) {
    EXPECT_LT(mistake->text.size(), 250U);
    return;
  }
  const auto again = ipc::parse_metrics_request(to_line(std::get<MetricsRequest>(*parsed)));
  EXPECT_EQ(std::get<MetricsRequest>(*again), std::get<MetricsRequest>(*parsed));
}

void check_negotiation(std::string_view accept, std::string_view encoding) {
  const MetricsRequest asked = ipc::negotiate(accept, encoding);
  const auto names = [](std::string_view text, std::string_view name) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    std::string low;
    for (const char c : text) low += lower(c);
    return low.find(name) != std::string::npos;
  };
  if (asked.form == MetricsForm::openmetrics) {
    EXPECT_TRUE(names(accept, "application/openmetrics-text"));
  }
  if (asked.gzip) EXPECT_TRUE(names(encoding, "gzip") || names(encoding, "*"));
}

void check_names(const std::string& name, MetricsForm form) {
  ipc::Snapshot snapshot;
  snapshot.filters.push_back({name, name, {}});
  snapshot.interfaces.push_back({.name = name, .link_type = {}});
  ipc::FailureExamples examples;
  ipc::OutcomeEvent event;
  event.cause = "refused";
  event.filters = ipc::filters_named({name});
  event.initiator.address = name;
  examples.note(event);
  const std::string text = ipc::metrics_text(snapshot, {}, &examples, form);
  const auto read = ipc::test::read_metrics(text, form);
  EXPECT_EQ(read.types.size(),
            ipc::test::read_metrics(ipc::metrics_text({}, {}, nullptr, form), form).types.size());
  EXPECT_LT(ipc::gzip(text).size(), text.size() + 64);
}

}  // namespace

void run(FuzzedDataProvider& input) {
  const MetricsForm form = input.ConsumeBool() ? MetricsForm::openmetrics : MetricsForm::prometheus;
  const std::string name = input.ConsumeRandomLengthString(64);
  const std::string accept = input.ConsumeRandomLengthString(256);
  const std::string encoding = input.ConsumeRandomLengthString(64);
  const std::string rest = input.ConsumeRemainingBytesAsString();
  check_arguments(rest);
  check_arguments("METRICS " + rest);
  check_negotiation(accept, encoding);
  check_names(name, form);
}

}  // namespace tcpeek::fuzz
