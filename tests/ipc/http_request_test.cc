// What an HTTP request asks for: pages, and the form by Accept and Accept-Encoding with their qualities.
#include "ipc/http_request.h"

#include <gtest/gtest.h>

namespace tcpeek::ipc {
namespace {

TEST(HttpRequest, Pages) {
  EXPECT_EQ(page_of("/metrics"), HttpPage::metrics);
  EXPECT_EQ(page_of("/metrics?name[]=x"), HttpPage::metrics);
  EXPECT_EQ(page_of("/healthz"), HttpPage::health);
  for (const char* other : {"", "/", "/metrics/", "/Metrics", "/metricsx", "//metrics", "metrics",
                            "/%6detrics", "*", "http://host/metrics", "/healthz/../metrics"}) {
    EXPECT_EQ(page_of(other), HttpPage::none) << other;
  }
}

MetricsForm form_of(std::string_view accept) {
  return negotiate(accept, "").form;
}

TEST(HttpRequest, OpenMetricsForWhoNamesIt) {
  for (const char* accept :
       {"application/openmetrics-text",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "APPLICATION/OpenMetrics-Text;q=0.3", "text/plain;q=0.5,application/openmetrics-text;q=0.5",
        R"(application/openmetrics-text;version="1.0.0")",
        // Prometheus 2.42.
        "application/openmetrics-text;version=1.0.0,application/"
        "openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}) {
    EXPECT_EQ(form_of(accept), MetricsForm::openmetrics) << accept;
  }
}

TEST(HttpRequest, TheOlderFormForEverybodyElse) {
  for (const char* accept :
       {"", "*/*", "text/plain", "text/html,*/*;q=0.8", "application/json",
        "application/openmetrics-text;q=0", "application/openmetrics-text;q=0.4,text/plain",
        "application/openmetrics-text;version=2.0.0", "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-textual", "application/openmetrics-text;q=2",
        "application/openmetrics-text;q=1.5x",
        "application/openmetrics-text;q=", ";;;,,,=", "\xff\xff"}) {
    EXPECT_EQ(form_of(accept), MetricsForm::prometheus) << accept;
  }
}

TEST(HttpRequest, CompressedForWhoAcceptsIt) {
  for (const char* accept :
       {"gzip", "GZIP", "deflate, gzip;q=0.1", "x-gzip", "*", "br;q=1, *;q=0.5", "gzip;q=1.000"}) {
    EXPECT_TRUE(negotiate("", accept).gzip) << accept;
  }
  for (const char* accept : {"", "identity", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=0, *",
                             "gzipped", "deflate", "gzip;q=x"}) {
    EXPECT_FALSE(negotiate("", accept).gzip) << accept;
  }
}

}  // namespace
}  // namespace tcpeek::ipc
