// Users as people name them, and what a process is after it gave up what it was.
#include "engine/process/privileges.h"

#include <cap-ng.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/engine/process/child.h"

namespace tcpeek::engine {
namespace {

std::string refusal(const std::string& text) {
  try {
    static_cast<void>(find_user(text));
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "not refused";
}

TEST(FindUserTest, ByName) {
  const passwd* const nobody = ::getpwnam("nobody");
  ASSERT_NE(nobody, nullptr);
  const User user = find_user("nobody");
  EXPECT_EQ(user.name, "nobody");
  EXPECT_EQ(user.uid, nobody->pw_uid);
  EXPECT_EQ(user.gid, nobody->pw_gid);
}

TEST(FindUserTest, ByNumber) {
  const User nobody = find_user("nobody");
  const User user = find_user(std::to_string(nobody.uid));
  EXPECT_EQ(user.name, "nobody");
  EXPECT_EQ(user.uid, nobody.uid);
  EXPECT_EQ(user.gid, nobody.gid);
  EXPECT_EQ(find_user("0").name, "root");
}

TEST(FindUserTest, UnknownOnesAreRefusedInOneLine) {
  EXPECT_EQ(refusal("no-such-user"),
            "cannot run as user 'no-such-user': there is no such user (-u takes a name or a "
            "number)");
  EXPECT_EQ(refusal("3999999999"),
            "cannot run as user '3999999999': there is no such user (-u takes a name or a "
            "number)");
  EXPECT_EQ(refusal("a\nb\x1b[2J"),
            "cannot run as user 'a\\x0ab\\x1b[2J': there is no such user (-u takes a name or a "
            "number)");
}

TEST(FindUserTest, NumbersThatAreNone) {
  // 2^32 - 1 means nobody in particular; 2^32 would be root if it were cut.
  for (const char* text : {"", " ", "4294967295", "4294967296", "4294967297", "-1", "+0", "0x0",
                           " 0", "0 ", "0.0", "18446744073709551616", "1e3"}) {
    EXPECT_NE(refusal(text).find("there is no such user"), std::string::npos) << text;
  }
}

// Lines of /proc/self/status by their names, of a child that did something.
using Status = std::map<std::string, std::string>;

std::string own_status() {
  std::ifstream file("/proc/thread-self/status");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Status parse(const std::string& text) {
  Status status;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    const auto colon = line.find(":\t");
    if (colon != std::string::npos) status[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return status;
}

std::vector<gid_t> groups_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<gid_t> groups;
  for (gid_t group = 0; stream >> group;) groups.push_back(group);
  std::sort(groups.begin(), groups.end());
  return groups;
}

std::string four_times(unsigned id) {
  const std::string text = std::to_string(id);
  return text + "\t" + text + "\t" + text + "\t" + text;
}

const std::string kNone = "0000000000000000";

class PrivilegesLiveTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) return;
    const char* required = std::getenv("TCPEEK_REQUIRE_LIVE");
    if (required != nullptr && std::string_view(required) == "1") {
      FAIL() << "not root (TCPEEK_REQUIRE_LIVE=1)";
    }
    std::cerr << "*** LIVE TEST SKIPPED: only root has something to give up ***\n";
    GTEST_SKIP() << "not root";
  }

  static void expect_no_capabilities(const Status& status) {
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
      EXPECT_EQ(status.at(set), kNone) << set;
    }
  }
};

TEST_F(PrivilegesLiveTest, BecomeGivesUpEverything) {
  const User nobody = find_user("nobody");
  const Status status = parse(test::in_child([&] {
    become(nobody);
    return own_status();
  }));
  ASSERT_TRUE(status.contains("Uid"));
  EXPECT_EQ(status.at("Uid"), four_times(nobody.uid));
  EXPECT_EQ(status.at("Gid"), four_times(nobody.gid));
  expect_no_capabilities(status);
  EXPECT_EQ(status.at("CapBnd"), kNone);
}

TEST_F(PrivilegesLiveTest, BecomeTakesTheUsersGroupsAndNoOther) {
  const std::vector<std::string> names{"nobody", "daemon", "games", "www-data"};
  for (const std::string& name : names) {
    if (::getpwnam(name.c_str()) == nullptr) continue;
    const User user = find_user(name);
    const auto expected = test::in_child([&] {
      if (::initgroups(user.name.c_str(), user.gid) != 0) ring::throw_errno("initgroups");
      return own_status();
    });
    const auto got = test::in_child([&] {
      const std::vector<gid_t> others{0, 4, 27};
      if (::setgroups(others.size(), others.data()) != 0) ring::throw_errno("setgroups");
      become(user);
      return own_status();
    });
    ASSERT_TRUE(parse(got).contains("Groups")) << got;
    EXPECT_EQ(groups_of(parse(got).at("Groups")), groups_of(parse(expected).at("Groups"))) << name;
  }
}

TEST_F(PrivilegesLiveTest, ThereIsNoWayBack) {
  const std::string told = test::in_child([] {
    become(find_user("nobody"));
    drop_capabilities();
    if (::setuid(0) == 0 || ::setresuid(0, 0, 0) == 0 || ::setgid(0) == 0) return "root again";
    if (::prctl(PR_CAPBSET_READ, 13) != 0) return "CAP_NET_RAW could come back";
    return "no way";
  });
  EXPECT_EQ(told, "no way");
}

TEST_F(PrivilegesLiveTest, DropCapabilitiesKeepsTheUser) {
  const Status before = parse(own_status());
  const Status status = parse(test::in_child([] {
    drop_capabilities();
    return own_status();
  }));
  ASSERT_TRUE(status.contains("Uid"));
  EXPECT_EQ(status.at("Uid"), before.at("Uid"));
  EXPECT_EQ(status.at("Gid"), before.at("Gid"));
  expect_no_capabilities(status);
  EXPECT_EQ(status.at("CapBnd"), kNone);
  EXPECT_EQ(status.at("NoNewPrivs"), "1");
}

TEST_F(PrivilegesLiveTest, RootsNumberMeansNothingToWhatIsExecuted) {
  const std::string told = test::in_child([] {
    drop_capabilities();
    return std::to_string(::prctl(PR_GET_SECUREBITS) & (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED));
  });
  EXPECT_EQ(told, std::to_string(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED));
}

// Root's stays as it is: only root may look, and a core file is root's.
TEST_F(PrivilegesLiveTest, OthersOfTheSameUserCannotLookInside) {
  const auto dumpable = [] { return std::to_string(::prctl(PR_GET_DUMPABLE)); };
  EXPECT_EQ(test::in_child([&] {
              drop_capabilities();
              return dumpable();
            }),
            "1");
  EXPECT_EQ(test::in_child([&] {
              become(find_user("nobody"));
              ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // where fs.suid_dumpable says so
              drop_capabilities();
              return dumpable();
            }),
            "0");
}

// Without CAP_SETPCAP: the bounding set stays, and is of no use.
TEST_F(PrivilegesLiveTest, WithOneCapabilityItEndsWithNone) {
  const User nobody = find_user("nobody");
  const Status status = parse(test::in_child([&] {
    capng_clear(CAPNG_SELECT_BOTH);
    capng_update(CAPNG_ADD,
                 static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE),
                 CAP_NET_RAW);
    if (capng_change_id(static_cast<int>(nobody.uid), static_cast<int>(nobody.gid),
                        CAPNG_DROP_SUPP_GRP) != 0 ||
        ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) != 0) {
      ring::throw_errno("keeping CAP_NET_RAW");
    }
    drop_capabilities();
    return own_status();
  }));
  ASSERT_TRUE(status.contains("Uid"));
  EXPECT_EQ(status.at("Uid"), four_times(nobody.uid));
  expect_no_capabilities(status);
  EXPECT_NE(status.at("CapBnd"), kNone);
  EXPECT_EQ(status.at("NoNewPrivs"), "1");
}

// The order of a start.
TEST_F(PrivilegesLiveTest, BecomeThenDrop) {
  const User nobody = find_user("nobody");
  const Status status = parse(test::in_child([&] {
    become(nobody);
    drop_capabilities();
    return own_status();
  }));
  ASSERT_TRUE(status.contains("Uid"));
  EXPECT_EQ(status.at("Uid"), four_times(nobody.uid));
  expect_no_capabilities(status);
  EXPECT_EQ(status.at("CapBnd"), kNone);
  EXPECT_EQ(status.at("NoNewPrivs"), "1");
}

TEST_F(PrivilegesLiveTest, TwiceIsNoError) {
  const Status status = parse(test::in_child([] {
    drop_capabilities();
    drop_capabilities();
    return own_status();
  }));
  ASSERT_TRUE(status.contains("CapEff"));
  expect_no_capabilities(status);
}

TEST_F(PrivilegesLiveTest, RootMayStayRootWithoutItsPowers) {
  const Status status = parse(test::in_child([] {
    become(find_user("root"));
    return own_status();
  }));
  ASSERT_TRUE(status.contains("Uid"));
  EXPECT_EQ(status.at("Uid"), four_times(0));
  expect_no_capabilities(status);
}

TEST_F(PrivilegesLiveTest, OnlyRootBecomesAnother) {
  const User nobody = find_user("nobody");
  const std::string told = test::in_child([&]() -> std::string {
    if (::setresuid(nobody.uid - 1, nobody.uid - 1, nobody.uid - 1) != 0) {
      ring::throw_errno("setresuid");
    }
    become(nobody);
    return "it did";
  });
  EXPECT_EQ(told,
            "threw: cannot become user nobody: only root can; start tcpeek as root, or as nobody "
            "with CAP_NET_RAW and without -u");
}

TEST_F(PrivilegesLiveTest, WhoIsThatUserAlreadyStays) {
  const User nobody = find_user("nobody");
  const Status status = parse(test::in_child([&] {
    if (::setresgid(nobody.gid, nobody.gid, nobody.gid) != 0 ||
        ::setresuid(nobody.uid, nobody.uid, nobody.uid) != 0) {
      ring::throw_errno("setresuid");
    }
    become(nobody);
    drop_capabilities();
    return own_status();
  }));
  ASSERT_TRUE(status.contains("Uid"));
  EXPECT_EQ(status.at("Uid"), four_times(nobody.uid));
  expect_no_capabilities(status);
}

}  // namespace
}  // namespace tcpeek::engine
