// JSON text written piece by piece, compared with literal text, and what was written read back.
#include "ipc/json_writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

namespace tcpeek::ipc {
namespace {

using namespace std::chrono_literals;

template <typename Members>
std::string written(Members&& members) {
  JsonWriter json(0);
  json.object([&] { members(json); });
  return std::move(json).take();
}

TEST(JsonWriter, NothingInside) {
  EXPECT_EQ(written([](JsonWriter&) {}), "{}");
  EXPECT_EQ(written([](JsonWriter& json) {
              json.array("a", [] {});
              json.object("o", [] {});
            }),
            R"({"a":[],"o":{}})");
}

TEST(JsonWriter, CommasStandBetweenAndNowhereElse) {
  EXPECT_EQ(written([](JsonWriter& json) {
              json.array("list", [&] {
                json.object([&] { json.member("a", 1); });
                json.object([] {});
                json.object([&] {
                  json.array("deeper", [&] { json.object([] {}); });
                  json.member("b", 2);
                });
              });
              json.object("o", [&] { json.null_member("n"); });
              json.member("last", 3);
            }),
            R"({"list":[{"a":1},{},{"deeper":[{}],"b":2}],"o":{"n":null},"last":3})");
}

TEST(JsonWriter, TextThatLooksLikeStructure) {
  const std::string text = written([](JsonWriter& json) {
    for (const char* value : {"{", "[", ",", "", "\"", "\\", "}]"}) json.member("s", value);
    json.member("t", "end");
  });
  EXPECT_EQ(text, R"({"s":"{","s":"[","s":",","s":"","s":"\"","s":"\\","s":"}]","t":"end"})");
}

TEST(JsonWriter, NumbersAreExact) {
  EXPECT_EQ(written([](JsonWriter& json) {
              json.member("most", std::numeric_limits<std::uint64_t>::max());
              json.member("least", std::numeric_limits<std::int64_t>::min());
              json.member("none", 0U);
              json.member("minus", -1);
              json.member("yes", true);
              json.member("no", false);
            }),
            R"({"most":18446744073709551615,"least":-9223372036854775808,"none":0,"minus":-1,)"
            R"("yes":true,"no":false})");
}

TEST(JsonWriter, DurationsAreExactSeconds) {
  EXPECT_EQ(written([](JsonWriter& json) {
              json.member("none", 0us);
              json.member("short", 1us);
              json.member("ms", 1500ms);
              json.member("most", Elapsed::max());
            }),
            R"({"none":0.000000,"short":0.000001,"ms":1.500000,"most":18446744073709.551615})");
}

TEST(JsonWriter, StringsOfAnyBytesCanBeReadBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const auto parsed = nlohmann::json::parse(written([&](JsonWriter& json) {
    json.member("all", all);
    json.member("plain", "p");
  }));
  const auto& text = parsed["all"].get_ref<const std::string&>();
  EXPECT_EQ(text.substr(0, 128), all.substr(0, 128));
  EXPECT_NE(text.find("\xef\xbf\xbd"), std::string::npos) << "what is no UTF-8 is replaced";
  EXPECT_EQ(parsed["plain"], "p");
}

}  // namespace
}  // namespace tcpeek::ipc
