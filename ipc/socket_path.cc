// Lock, probe, bind, and the same in reverse. Files are compared by device and inode, and changed
// through descriptors, so that a file that was replaced in between is never touched.
#include "ipc/socket_path.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "ipc/directory_trust.h"

namespace tcpeek::ipc {
namespace {

constexpr mode_t kSocketMode = 0660;
constexpr mode_t kLockMode = 0600;
constexpr mode_t kDirectoryMode = 0755;
constexpr int kLockAttempts = 100;  // each lost to another tcpeek coming or going at that instant
// As long a queue as the kernel allows (net.core.somaxconn): a non-blocking connect() is refused when it
// is full.
constexpr int kBacklog = std::numeric_limits<int>::max();
// What to do where another tcpeek runs.
constexpr const char* kBeside =
    "`tcpeekstat watch` shows what it sees; for a look of your own beside it give --no-socket, or "
    "another path with -U";
constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;

bool is_same_file(int descriptor, const std::string& path) noexcept {
  struct stat ours {};
  struct stat there {};
  return ::fstat(descriptor, &ours) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

sockaddr_un address_of(const std::string& path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy_n(path.data(), std::min(path.size(), kMaxPath), address.sun_path);
  return address;
}

UniqueFd make_socket() noexcept {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// A descriptor that a client sends along (SCM_RIGHTS) must be closed by the reactor, which would have to
// wait for what close() waits for: a lingering connection, or a hung file system. From Linux 6.16 on
// nobody can send one; accepted sockets inherit this.
void refuse_descriptors(int listener) noexcept {
#ifndef SO_PASSRIGHTS  // Debian 12's headers lack it
  constexpr int SO_PASSRIGHTS = 83;
#endif
  constexpr int kRefused = 0;
  static_cast<void>(::setsockopt(listener, SOL_SOCKET, SO_PASSRIGHTS, &kRefused, sizeof kRefused));
}

// 0, or the errno of connecting to the socket at `path`.
int probe(const std::string& path) noexcept {
  const UniqueFd client = make_socket();
  if (!client) return errno;
  const sockaddr_un address = address_of(path);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(client.get(), generic, sizeof(address)) == 0 ? 0 : errno;
}

// While it lives, files get the mode they are made with, whatever the user's umask takes away.
class NoUmask {
 public:
  NoUmask() noexcept : former_(::umask(0)) {}
  ~NoUmask() { ::umask(former_); }
  NoUmask(const NoUmask&) = delete;
  NoUmask& operator=(const NoUmask&) = delete;

 private:
  mode_t former_;
};

bool is_out_of_descriptors(int error_number) noexcept {
  return error_number == EMFILE || error_number == ENFILE;
}

}  // namespace

ListenError::ListenError(int error_number, std::string sentence)
    : std::system_error(error_number, std::generic_category()),
      sentence_(std::make_shared<const std::string>(std::move(sentence))) {}

SocketPath SocketPath::listen(std::string path, Parent parent) {
  SocketPath result(std::move(path));
  result.take_lock(parent);
  result.remove_leftover();
  result.bind_and_listen();
  return result;
}

SocketPath::SocketPath(std::string path)
    : path_(std::move(path)), lock_path_(path_ + ".lock"), creator_(::getpid()) {
  if (path_.empty() || path_.find('\0') != std::string::npos) {
    throw ListenError(EINVAL,
                      "cannot listen on an empty path or one with a NUL byte; give a file name "
                      "with -U");
  }
  if (path_.size() > kMaxPath) {
    fail(ENAMETOOLONG, fmt::format("the path has {} bytes, a UNIX socket takes {}; choose a "
                                   "shorter path with -U",
                                   path_.size(), kMaxPath));
  }
}

SocketPath::~SocketPath() {
  if (creator_ != ::getpid()) return;
  if (node_ && is_same_file(node_.get(), path_)) ::unlink(path_.c_str());
  // The lock's name is removed while the lock is held: a process that opened it before finds, once it
  // has the lock, that the name is gone, and starts over.
  if (lock_ && is_same_file(lock_.get(), lock_path_)) ::unlink(lock_path_.c_str());
  if (!made_directory_.empty()) ::rmdir(made_directory_.c_str());
}

void SocketPath::take_lock(Parent parent) {
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    if (parent == Parent::make) check_directory();
    bool made = false;
    UniqueFd lock = open_lock(parent, made);
    if (!lock) continue;
    struct stat status {};
    if (::fstat(lock.get(), &status) != 0) give_up(made, errno, "examining " + lock_path_);
    if (!S_ISREG(status.st_mode) || status.st_size != 0) {
      fail(EEXIST, lock_path_ + " is not a lock file of tcpeek; choose another path with -U");
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) give_up(made, errno, "locking " + lock_path_);
      fail(EADDRINUSE,
           fmt::format("another tcpeek is running there (it holds {}); {}", lock_path_, kBeside));
    }
    if (is_same_file(lock.get(), lock_path_)) {
      lock_ = std::move(lock);
      return;
    }
  }
  fail(EAGAIN,
       lock_path_ +
           " keeps being replaced; find out by which program, or choose another path with -U");
}

// The open lock file, and whether it was made here; none if its name changed meanwhile and another
// attempt is due.
UniqueFd SocketPath::open_lock(Parent parent, bool& made) {
  // Opening before creating: in /tmp the kernel refuses O_CREAT on a file another user left
  // (fs.protected_regular), even to root.
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  UniqueFd lock(::open(lock_path_.c_str(), kFlags));
  if (lock) return lock;
  if (errno != ENOENT) fail_in(errno, "opening " + lock_path_);

  lock.reset(::open(lock_path_.c_str(), kFlags | O_CREAT | O_EXCL, kLockMode));
  made = static_cast<bool>(lock);
  if (made || errno == EEXIST) return lock;
  if (errno != ENOENT) fail_in(errno, "creating " + lock_path_);
  if (parent == Parent::must_exist) {
    fail(ENOENT, fmt::format("there is no directory {}; create it or choose another path with -U",
                             directory_of(path_)));
  }
  make_directory();
  return lock;
}

void SocketPath::check_directory() const {
  const std::string directory = directory_of(path_);
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return;
  const auto reason =
      untrusted_reason(directory, status.st_uid, status.st_gid, status.st_mode, trusted_owners());
  if (reason) fail(EPERM, *reason);
}

void SocketPath::make_directory() {
  const std::string directory = directory_of(path_);
  if (::mkdir(directory.c_str(), kDirectoryMode) != 0) {
    if (errno == EEXIST) return;
    fail_in(errno, "creating the directory " + directory);
  }
  made_directory_ = directory;
  // The umask may have taken rights away that clients need.
  const UniqueFd made(::open(directory.c_str(), O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made || ::fchmod(made.get(), kDirectoryMode) != 0) {
    fail_in(errno, "setting the mode of " + directory);
  }
}

void SocketPath::remove_leftover() const {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    fail_in(errno, "examining it");
  }
  if (!S_ISSOCK(status.st_mode)) {
    fail(EEXIST, "there is a file that is not a socket; remove it or choose another path with -U");
  }
  const int answer = probe(path_);
  switch (answer) {
    case ENOENT:
      return;
    case ECONNREFUSED:
      if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
        fail_in(errno, "removing the socket an earlier tcpeek left");
      }
      return;
    case 0:
    case EAGAIN:  // its queue of clients is full
      fail(EADDRINUSE, fmt::format("another tcpeek is answering there; {}", kBeside));
    case EPROTOTYPE:
      fail(EADDRINUSE, "another program has a socket there; choose another path with -U");
    default:
      fail_in(answer, "asking whether the socket there is in use");
  }
}

void SocketPath::bind_and_listen() {
  UniqueFd listener = make_socket();
  if (!listener) fail_in(errno, "creating a socket");
  // bind() gives the file the mode of the socket, less the umask. To change the file's mode afterwards
  // without following its name would take /proc, which may not be mounted.
  if (::fchmod(listener.get(), kSocketMode) != 0) fail_in(errno, "setting the socket's mode");
  const sockaddr_un address = address_of(path_);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  {
    const NoUmask none;
    if (::bind(listener.get(), generic, sizeof(address)) != 0) fail_in(errno, "binding the socket");
  }

  node_.reset(::open(path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!node_) {
    const int error = errno;
    ::unlink(path_.c_str());
    fail_in(error, "opening the socket's file");
  }
  refuse_descriptors(listener.get());
  if (::listen(listener.get(), kBacklog) != 0) fail_in(errno, "listening");
  listener_ = std::move(listener);
}

void SocketPath::allow_group(gid_t group) {
  constexpr auto kSameOwner = static_cast<uid_t>(-1);
  if (::fchownat(node_.get(), "", kSameOwner, group, AT_EMPTY_PATH) == 0) return;
  throw ListenError(errno, fmt::format("cannot let group {} use {}: {}; start tcpeek as root or "
                                       "without -u",
                                       group, path_, std::generic_category().message(errno)));
}

void SocketPath::fail(int error_number, const std::string& reason) const {
  throw ListenError(error_number, fmt::format("cannot listen on {}: {}", path_, reason));
}

// Fails, and takes back the lock file just made. Another tcpeek that has opened it meanwhile finds, once
// it has the lock, that the name is gone.
void SocketPath::give_up(bool made, int error_number, const std::string& action) const {
  if (made) ::unlink(lock_path_.c_str());
  fail_in(error_number, action);
}

void SocketPath::fail_in(int error_number, const std::string& action) const {
  const std::string reason = std::generic_category().message(error_number);
  // Another path would not help.
  if (is_out_of_descriptors(error_number)) fail(error_number, action + " failed: " + reason);
  const bool denied = error_number == EACCES || error_number == EPERM;
  fail(error_number, fmt::format("{} failed: {}; {}choose another path with -U", action, reason,
                                 denied ? "run as root or " : ""));
}

}  // namespace tcpeek::ipc
