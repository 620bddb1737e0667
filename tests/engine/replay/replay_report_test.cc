// The page of --report: what a file or an interface is called is data in it, whatever characters it has.
#include "engine/replay_report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>

#include "engine/serve/web_page.h"

namespace tcpeek::engine {
namespace {

const std::string kHostile =
    "a</script><script>alert(1)</script><!--<script>\"'`\n\r\t\\u003c&amp;\xe2\x80\xa8\xff.pcap";

class ReplayReportTest : public testing::Test {
 protected:
  ReplayReportTest() { std::filesystem::create_directory(folder_); }
  ~ReplayReportTest() override { std::filesystem::remove_all(folder_); }

  // The page of files of these names, in which nothing was captured.
  std::string page_of(std::vector<std::string> files) const {
    ReplayReport report(path(), nullptr);
    report.write({.counts = {}, .services = {}, .explanation = {}, .files = std::move(files)});
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  [[nodiscard]] std::string path() const { return (folder_ / "out.html").string(); }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("tcpeek-report-" + std::to_string(::getpid()));
};

// Up to where a browser ends the element, whatever the case of the word.
std::string embedded(const std::string& page) {
  const std::size_t begin = page.find(kReportBegin) + kReportBegin.size();
  return page.substr(begin, page.find("</", begin) - begin);
}

TEST(JsonInHtml, KeepsTheTextAndNoTag) {
  const std::string json = nlohmann::json("</SCRIPT><!-- <b>").dump();
  const std::string text = json_in_html(json);
  EXPECT_EQ(text.find('<'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(text), "</SCRIPT><!-- <b>");
  EXPECT_EQ(json_in_html(R"({"a":[1,"b"]})"), R"({"a":[1,"b"]})");
}

TEST_F(ReplayReportTest, AHostileFileNameIsData) {
  const std::string page = page_of({kHostile, "plain.pcap"});
  const std::string text = embedded(page);
  EXPECT_EQ(text.find('<'), std::string::npos);
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
  EXPECT_EQ(page.substr(page.find(text) + text.size(), kReportEnd.size()), kReportEnd);

  std::string readable = kHostile;
  readable.replace(readable.find('\xff'), 1, "\xef\xbf\xbd");
  const nlohmann::json report = nlohmann::json::parse(text);
  EXPECT_EQ(report["files"], nlohmann::json({readable, "plain.pcap"}));
}

TEST_F(ReplayReportTest, ADirectoryIsRefusedBeforeAnythingIsRead) {
  try {
    const ReplayReport report(folder_.string(), nullptr);
    FAIL() << "accepted";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::is_a_directory);
    EXPECT_EQ(std::string(error.what()).find("--report: cannot write '" + folder_.string()), 0U)
        << error.what();
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 0);
  EXPECT_FALSE(std::filesystem::exists(folder_.string() + ".XXXXXX"));
}

}  // namespace
}  // namespace tcpeek::engine
