// What the command line takes, and how it refuses the rest.
#include "engine/forward/forward_options.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/base/usage_error.h"

namespace tcpeek::forward {
namespace {

ForwardOptions parse(std::vector<const char*> arguments) {
  return parse_forward_options(arguments).options;
}

const std::string kSeventeen = [] {
  std::string list = "nats://me:s3cret@a";
  for (int i = 1; i < 17; ++i) list += ",b";
  return list;
}();

TEST(ForwardOptionsTest, Defaults) {
  const ForwardOptions options = parse({});
  EXPECT_EQ(options.stream, "TCPEEK");
  EXPECT_FALSE(options.host.empty());
  EXPECT_TRUE(options.write_state);
  EXPECT_FALSE(parse({"--dry-run"}).write_state);
  EXPECT_TRUE(parse({"--dry-run", "--state", "x"}).write_state);
}

TEST(ForwardOptionsTest, Values) {
  const ForwardOptions options =
      parse({"--server", "nats://a,tls://b:4223", "--window", "10", "--aggregate", "60",
             "--metrics-listen", "[::1]:9143", "--loglevel", "LOG_INFO", "--redact-key", "k"});
  EXPECT_EQ(options.broker.servers, (std::vector<std::string>{"nats://a", "tls://b:4223"}));
  EXPECT_EQ(options.window, 10U);
  EXPECT_EQ(options.aggregate, std::chrono::seconds(60));
  EXPECT_EQ(options.metrics_listen->first, "::1");
  EXPECT_EQ(options.metrics_listen->second, 9143);
  EXPECT_EQ(options.log_level, LOG_INFO);
  EXPECT_TRUE(options.redact);
}

TEST(ForwardOptionsTest, TakesServersAsLibnatsDoes) {
  for (const char* const url : {"a", "a:4222", "nats://a", "tls://a.example:4443",
                                "nats://user:pass@a:1", "nats://[::1]:4222", "[2001:db8::1]"}) {
    EXPECT_EQ(parse({"--server", url}).broker.servers, std::vector<std::string>{url});
  }
}

TEST(ForwardOptionsTest, AServerIsShownWithoutWhatLogsIn) {
  for (const auto& [url, shown] : std::vector<std::pair<const char*, const char*>>{
           {"nats://me:s3cret@a:4222", "nats://a:4222"},
           {"tls://s3cret@[::1]:4222", "tls://[::1]:4222"},
           {"nats://me:s3c@re/t@a", "nats://a"},
           {"me:s3cret@a", "a"},
           {"nats://a:4222", "nats://a:4222"},
           {"a", "a"},
           {"nats://me:s3cret@", "nats://"},
           {"", ""}}) {
    EXPECT_EQ(without_login(url), shown);
  }
}

TEST(ForwardOptionsTest, RefusesWithTheOptionAndWhatIsAllowed) {
  for (const auto& [arguments, said] :
       std::vector<std::pair<std::vector<const char*>, std::string>>{
           {{"--window", "0"}, "--window: '0' is not a whole number from 1 to 1000000"},
           {{"--aggregate", "1.5"}, "--aggregate: '1.5' is not"},
           {{"--subject", "a..b"}, "--subject: 'a..b' is not a subject"},
           {{"--subject", "a.*"}, "--subject: 'a.*' is not a subject"},
           {{"--stream", "a.b"}, "--stream: 'a.b' is not a stream's name"},
           {{"--metrics-listen", "9143"}, "--metrics-listen: '9143' is not ADDRESS:PORT"},
           {{"--metrics-listen", "::1:9143"}, "--metrics-listen: '::1:9143' is not"},
           {{"--loglevel", "loud"}, "--loglevel: 'loud' is not one of"},
           {{"--server", ","}, "--server: ',' is not a list"},
           {{"--tls-cert", "x"}, "--tls-cert and --tls-key: each needs the other"},
           {{"--redact", "--aggregate", "5"}, "--redact with --aggregate needs --redact-key"},
           {{"--server", "http://x"}, "--server: 'http://x' is not nats://HOST[:PORT] or"},
           {{"--server", "nats://"}, "--server: 'nats://' is not"},
           {{"--server", "nats://a:0"}, "--server: 'nats://a:0' is not"},
           {{"--server", "nats://a:99999"}, "--server: 'nats://a:99999' is not"},
           {{"--server", "a,tls://b c"}, "--server: 'tls://b c' is not"},
           {{"--server", "nats://me:s3cret@a:0"}, "--server: 'nats://a:0' is not"},
           {{"--server", "me:s3c@ret@a/x"}, "--server: 'a/x' is not"},
           {{"--server", "b,nats://me:s3c,ret@a"}, "--server: one of its URLs is not nats://HOST"},
           {{"--server", kSeventeen.c_str()}, "--server: 17 URLs are too many: give 16 at most"},
           {{"--server", "2001:db8::1"}, "--server: '2001:db8::1' is not"},
           {{"--server", ""}, "--server needs a value"},
           {{"--socket="}, "--socket needs a value"},
           {{"--host"}, "--host needs a value"},
           {{"--redact=yes"}, "--redact: takes no value, but 'yes' was given"},
           {{"--redat"}, "'--redat' is not an option; did you mean --redact?"},
           {{"--nonsense=1"}, "'--nonsense=1' is not an option; tcpeek-forward --help"},
           {{"stray"}, "'stray' is not an option; tcpeek-forward --help"}}) {
    try {
      parse(arguments);
      ADD_FAILURE() << said;
    } catch (const engine::UsageError& e) {
      EXPECT_EQ(std::string(e.what()).substr(0, said.size()), said);
    }
  }
}

}  // namespace
}  // namespace tcpeek::forward
