// What METRICS may be asked, and how a mistake is told.
#include "ipc/metrics_request.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

namespace tcpeek::ipc {
namespace {

TEST(MetricsRequest, TakesAFormAndCompression) {
  const auto parsed = [](std::string_view line) {
    return std::get<MetricsRequest>(*parse_metrics_request(line));
  };
  EXPECT_EQ(parsed("METRICS"), MetricsRequest());
  EXPECT_EQ(parsed("METRICS openmetrics"), MetricsRequest());
  EXPECT_EQ(parsed("METRICS\tprometheus"), (MetricsRequest{MetricsForm::prometheus, false}));
  EXPECT_EQ(parsed("METRICS gzip  openmetrics"), (MetricsRequest{MetricsForm::openmetrics, true}));
  for (const MetricsForm form : {MetricsForm::openmetrics, MetricsForm::prometheus}) {
    for (const bool gzip : {false, true}) {
      EXPECT_EQ(parsed(to_line({form, gzip})), (MetricsRequest{form, gzip}));
    }
  }
}

TEST(MetricsRequest, OtherWordsAreNoneOfIt) {
  for (const char* line : {"", "METRIC", "METRICSX", "metrics", "GET METRICS", "METRICS=1"}) {
    EXPECT_FALSE(parse_metrics_request(line)) << line;
  }
}

TEST(MetricsRequest, NamesTheMistakeAndWhatIsAllowed) {
  for (const char* wrong : {"x", "gzip gzip", "prometheus openmetrics", "openmetrics openmetrics",
                            "OpenMetrics", "1", "\xff"}) {
    const auto parsed = parse_metrics_request(std::string("METRICS ") + wrong);
    ASSERT_TRUE(parsed) << wrong;
    const auto* mistake = std::get_if<MetricsMistake>(&*parsed);
    ASSERT_NE(mistake, nullptr) << wrong;
    EXPECT_NE(mistake->text.find("openmetrics or prometheus"), std::string::npos) << mistake->text;
  }
  const auto parsed = parse_metrics_request("METRICS " + std::string(4000, 'x'));
  EXPECT_LT(std::get<MetricsMistake>(*parsed).text.size(), 250U);
}

}  // namespace
}  // namespace tcpeek::ipc
