#include "engine/process/privileges.h"

#include <cap-ng.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

// The ways in which getpwnam(3) may report that there is no such user.
bool means_no_such_user(int error) noexcept {
  return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

template <class Lookup>
std::optional<passwd> look_up(const std::string& text, Lookup lookup, std::vector<char>& buffer) {
  passwd entry{};
  passwd* found = nullptr;
  int error = ERANGE;
  for (std::size_t size = 1024; error == ERANGE; size *= 2) {
    buffer.resize(size);
    error = lookup(&entry, buffer.data(), buffer.size(), &found);
  }
  if (found != nullptr) return entry;
  if (means_no_such_user(error)) return std::nullopt;
  throw std::system_error(error, std::generic_category(), "cannot look up user " + in_quotes(text));
}

// libcap-ng does not report what it could not take out.
void check_bounding_set() {
  for (unsigned long capability = 0;; ++capability) {
    const int there = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (there < 0) return;  // EINVAL: the kernel knows no more of them
    if (there == 0) continue;
    throw std::runtime_error(fmt::format(
        "cannot give up capability {} for good (PR_CAPBSET_DROP); refusing to run with it",
        capability));
  }
}

[[noreturn]] void refuse(const char* what) {
  throw std::runtime_error(fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

// In this order: both need CAP_SETPCAP, and the second takes it out of the bounding set.
void forbid_capabilities_to_root() {
  if (capng_lock() != 0) refuse("cannot set securebits");
  capng_clear(CAPNG_SELECT_BOUNDS);
  if (capng_apply(CAPNG_SELECT_BOUNDS) != 0) refuse("cannot empty the bounding set");
  check_bounding_set();
}

}  // namespace

User find_user(const std::string& text) {
  std::vector<char> buffer;
  auto entry = look_up(
      text,
      [&](passwd* e, char* data, std::size_t size, passwd** found) {
        return ::getpwnam_r(text.c_str(), e, data, size, found);
      },
      buffer);
  const auto number = parse_number(text, 0, 0xffff'fffe);
  if (!entry && number) {
    entry = look_up(
        text,
        [&](passwd* e, char* data, std::size_t size, passwd** found) {
          return ::getpwuid_r(static_cast<uid_t>(*number), e, data, size, found);
        },
        buffer);
  }
  if (!entry) {
    throw std::runtime_error(
        fmt::format("cannot run as user {}: there is no such user (-u takes a name or a "
                    "number)",
                    in_quotes(text)));
  }
  return {entry->pw_name, entry->pw_uid, entry->pw_gid};
}

void become(const User& user) {
  if (::geteuid() != 0) {
    if (::getuid() == user.uid) return;
    throw std::runtime_error(
        fmt::format("cannot become user {}: only root can; start tcpeek as root, or as {} with "
                    "CAP_NET_RAW and without -u",
                    user.name, user.name));
  }
  capng_clear(CAPNG_SELECT_BOTH);
  const auto flags = static_cast<capng_flags_t>(CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
  const int result = capng_change_id(static_cast<int>(user.uid), static_cast<int>(user.gid), flags);
  if (result != 0) {
    throw std::runtime_error(fmt::format("cannot become user {} (uid {}): {}", user.name, user.uid,
                                         std::generic_category().message(errno)));
  }
  check_bounding_set();
}

void drop_capabilities() {
  if (capng_get_caps_process() != 0) refuse("cannot read the capabilities of this process");
  if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) == 1) forbid_capabilities_to_root();
  capng_clear(CAPNG_SELECT_CAPS);
  // The kernel removes from the ambient set what is no longer permitted.
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) refuse("cannot drop capabilities");
  // So that no program executed later gets them back.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) refuse("cannot set no_new_privs");
  // Of root's process only root may look into the memory or read a core file anyway.
  if (::getuid() == 0) return;
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) refuse("cannot forbid core files and tracing");
}

void drop_privileges(const std::optional<User>& user) {
  if (user) become(*user);
  drop_capabilities();
}

}  // namespace tcpeek::engine
