// The engine's whole native surface: one system call per function, and crc32c.
//
//  export         does                             returns                blocks            called by
//  -------------  -------------------------------  ---------------------  ----------------  --------------
//  mmap           mmap(2) PROT_READ, MAP_SHARED    Uint8Array, or -errno  no                any reader
//  munmap         detaches the view, munmap(2)     0, or -errno           no                its mapper
//  sendfile       sendfile(2)                      count, or -errno       disk, cold pages  net
//  send           send(2) MSG_DONTWAIT, MSG_MORE   count, or -errno       no                net
//  awaitWritable  polls a dup(2), see writable.cc  0, or -errno           no                net
//  dup            fcntl(2) F_DUPFD_CLOEXEC         fd, or -errno          no                net
//  shutdown       shutdown(2) SHUT_RDWR            0, or -errno           no                net
//  fdatasync      fdatasync(2), macOS F_FULLFSYNC  0, or -errno           disk              shard
//  flock          flock(2) LOCK_EX | LOCK_NB       0, or -errno           no                open()
//  crc32c         CRC instruction, in crc32c.cc    0 .. 2^32 - 1          CPU               any
//  mappedCount    live maps of the process         count                  no                features, tests
//  mappedBytes    their bytes                      bytes                  no                features, tests
//  sigbusCount    guarded faults, in mapping.cc    count                  no                features, tests
//
// Rules: no state but the table of maps (mapping.cc), no threads, no callbacks but awaitWritable's, no C++ exceptions,
// no strings.
// Arguments are numbers (munmap and crc32c: a Uint8Array); a result is a number, < 0 a negated errno, EAGAIN included:
// the caller waits for 'drain' and calls again. mmap alone returns an object. An argument of the wrong type is a
// TypeError, one out of range -EINVAL. The caller keeps every fd open during the call. src/base/native.ts alone imports
// this. Loadable in any number of threads: nothing is kept per thread.
#include <errno.h>
#include <fcntl.h>
#include <napi.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>

#if defined(__linux__)
#include <sys/sendfile.h>
#else
#include <sys/uio.h>
#endif

#include "crc32c.h"
#include "mapping.h"
#include "writable.h"

namespace {

constexpr double kSafeIntegerMax = 9007199254740991.0;  // 2^53 - 1
constexpr double kLengthMax = 2147483648.0;             // 2 GiB: no segment is longer, and V8 can hold it.

// Reads argument `index` as an integer in low .. high. False if it is none: a TypeError is then pending if it is not
// even a number. Follow with Refuse().
bool ReadInteger(const Napi::CallbackInfo& info, size_t index, double low, double high, int64_t* result) {
  const Napi::Value argument = info[index];
  if (!argument.IsNumber()) {
    Napi::TypeError::New(info.Env(), "vltava_native: a number was expected").ThrowAsJavaScriptException();
    return false;
  }
  const double value = argument.As<Napi::Number>().DoubleValue();
  if (!(value >= low && value <= high) || value != std::trunc(value)) return false;
  *result = static_cast<int64_t>(value);
  return true;
}

// Any int32: what is no descriptor gets the kernel's EBADF.
bool ReadFd(const Napi::CallbackInfo& info, size_t index, int* fd) {
  int64_t value;
  if (!ReadInteger(info, index, INT32_MIN, INT32_MAX, &value)) return false;
  *fd = static_cast<int>(value);
  return true;
}

Napi::Value Refuse(const Napi::CallbackInfo& info) {
  if (info.Env().IsExceptionPending()) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), -EINVAL);
}

Napi::Value Result(const Napi::CallbackInfo& info, int result) {
  return Napi::Number::New(info.Env(), result < 0 ? -errno : 0);
}

// V8 takes the bytes of a view for memory of this process, and collects garbage for every 64 MiB of them. They are the
// kernel's page cache, so they are taken out of that account while the view lives. (Maps of more than 64 MiB still
// start a collection each.)
void AccountFor(napi_env env, int64_t change) {
  int64_t total;
  napi_adjust_external_memory(env, change, &total);
}

// Runs on the mapper's thread after its view was collected or detached, and when the thread ends. After munmap() the
// token is no longer live, and this does nothing.
void OnViewGone(napi_env env, void*, void* hint) {
  const auto token = reinterpret_cast<vltava::MappingToken>(hint);
  const size_t length = vltava::MappingLength(token);
  if (vltava::UnmapFile(token) == 0) AccountFor(env, static_cast<int64_t>(length));
}

Napi::Value Mmap(const Napi::CallbackInfo& info) {
  int fd;
  int64_t position;
  int64_t length;
  if (!ReadFd(info, 0, &fd) || !ReadInteger(info, 1, 0, kSafeIntegerMax, &position) ||
      !ReadInteger(info, 2, 1, kLengthMax, &length)) {
    return Refuse(info);
  }
  void* base;
  vltava::MappingToken token;
  const int mapped = vltava::MapFile(fd, static_cast<off_t>(position), static_cast<size_t>(length), &base, &token);
  if (mapped < 0) return Napi::Number::New(info.Env(), mapped);

  napi_value buffer;
  const napi_status status = napi_create_external_arraybuffer(info.Env(), base, static_cast<size_t>(length), OnViewGone,
                                                              reinterpret_cast<void*>(token), &buffer);
  if (status != napi_ok) {
    vltava::UnmapFile(token);
    return Napi::Number::New(info.Env(), status == napi_no_external_buffers_allowed ? -ENOTSUP : -ENOMEM);
  }
  AccountFor(info.Env(), -length);
  napi_value view;
  if (napi_create_typedarray(info.Env(), napi_uint8_array, static_cast<size_t>(length), buffer, 0, &view) != napi_ok) {
    return Napi::Number::New(info.Env(), -ENOMEM);  // The buffer is garbage now, and OnViewGone unmaps it.
  }
  return Napi::Value(info.Env(), view);
}

Napi::Value Munmap(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) {
    Napi::TypeError::New(info.Env(), "vltava_native: a Uint8Array was expected").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  napi_typedarray_type type;
  size_t length;
  void* data;
  napi_value buffer;
  size_t offset;
  if (napi_get_typedarray_info(info.Env(), info[0], &type, &length, &data, &buffer, &offset) != napi_ok ||
      type != napi_uint8_array || offset != 0 || length == 0) {
    return Napi::Number::New(info.Env(), -EINVAL);
  }
  const vltava::MappingToken token = vltava::FindMapping(data, length);
  if (token == 0) return Napi::Number::New(info.Env(), -EINVAL);
  // Put back before V8 takes it off. Detached first: from here on no script reaches the range. Then unmapped.
  AccountFor(info.Env(), static_cast<int64_t>(length));
  if (napi_detach_arraybuffer(info.Env(), buffer) != napi_ok) {
    AccountFor(info.Env(), -static_cast<int64_t>(length));
    return Napi::Number::New(info.Env(), -EINVAL);
  }
  return Napi::Number::New(info.Env(), vltava::UnmapFile(token));
}

Napi::Value Sendfile(const Napi::CallbackInfo& info) {
  int target_fd;
  int source_fd;
  int64_t position;
  int64_t length;
  if (!ReadFd(info, 0, &target_fd) || !ReadFd(info, 1, &source_fd) ||
      !ReadInteger(info, 2, 0, kSafeIntegerMax, &position) || !ReadInteger(info, 3, 0, kLengthMax, &length)) {
    return Refuse(info);
  }
  if (length == 0) return Napi::Number::New(info.Env(), 0);  // macOS would send all of it.
  double sent;
#if defined(__linux__)
  off_t from = static_cast<off_t>(position);
  ssize_t count;
  do {
    count = sendfile(target_fd, source_fd, &from, static_cast<size_t>(length));
  } while (count < 0 && errno == EINTR);
  sent = count < 0 ? -errno : static_cast<double>(count);
#else
  off_t count;
  int result;
  do {
    count = static_cast<off_t>(length);
    result = sendfile(source_fd, target_fd, static_cast<off_t>(position), &count, nullptr, 0);
  } while (result < 0 && errno == EINTR && count == 0);
  // Some of it may have gone out before EAGAIN or EINTR: that is a short count, not an error.
  sent = result < 0 && count == 0 ? -errno : static_cast<double>(count);
#endif
  return Napi::Number::New(info.Env(), sent);
}

Napi::Value AwaitWritable(const Napi::CallbackInfo& info) {
  int fd;
  if (!ReadFd(info, 0, &fd)) return Refuse(info);
  if (!info[1].IsFunction()) {
    Napi::TypeError::New(info.Env(), "vltava_native: a function was expected").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), vltava::AwaitWritable(info.Env(), fd, info[1]));
}

// Without the C++ wrappers, like crc32c: it is called for every answer. `hasMore`: more follows at once, so the kernel
// may wait with a packet that is not full.
napi_value Send(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  size_t count = 5;
  napi_typedarray_type type;
  size_t size;
  void* data;
  double fd;
  double start;
  double length;
  bool has_more;
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok ||
      napi_get_value_double(env, arguments[0], &fd) != napi_ok ||
      napi_get_typedarray_info(env, arguments[1], &type, &size, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array || napi_get_value_double(env, arguments[2], &start) != napi_ok ||
      napi_get_value_double(env, arguments[3], &length) != napi_ok ||
      napi_get_value_bool(env, arguments[4], &has_more) != napi_ok) {
    napi_throw_type_error(env, nullptr, "vltava_native: a number, a Uint8Array, two numbers, a boolean were expected");
    return nullptr;
  }
  double result = -EINVAL;
  if (fd >= INT32_MIN && fd <= INT32_MAX && start >= 0 && length >= 0 && start == std::trunc(start) &&
      length == std::trunc(length) && start + length <= static_cast<double>(size)) {
    int flags = MSG_DONTWAIT;
#if defined(__linux__)
    flags |= MSG_NOSIGNAL | (has_more ? MSG_MORE : 0);
#endif
    ssize_t sent;
    do {
      sent = send(static_cast<int>(fd), static_cast<const uint8_t*>(data) + static_cast<size_t>(start),
                  static_cast<size_t>(length), flags);
    } while (sent < 0 && errno == EINTR);
    result = sent < 0 ? -errno : static_cast<double>(sent);
  }
  napi_value number;
  return napi_create_double(env, result, &number) == napi_ok ? number : nullptr;
}

// Never repeated: after a failure the kernel may mark lost pages clean, and a second call then succeeds over lost data.
Napi::Value Fdatasync(const Napi::CallbackInfo& info) {
  int fd;
  if (!ReadFd(info, 0, &fd)) return Refuse(info);
#if defined(__APPLE__)
  // fsync(2) leaves the data in the drive's cache there.
  return Result(info, fcntl(fd, F_FULLFSYNC));
#else
  return Result(info, fdatasync(fd));
#endif
}

Napi::Value Flock(const Napi::CallbackInfo& info) {
  int fd;
  if (!ReadFd(info, 0, &fd)) return Refuse(info);
  return Result(info, flock(fd, LOCK_EX | LOCK_NB));
}

Napi::Value Dup(const Napi::CallbackInfo& info) {
  int fd;
  if (!ReadFd(info, 0, &fd)) return Refuse(info);
  const int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return Napi::Number::New(info.Env(), duplicate < 0 ? -errno : duplicate);
}

Napi::Value Shutdown(const Napi::CallbackInfo& info) {
  int fd;
  if (!ReadFd(info, 0, &fd)) return Refuse(info);
  return Result(info, shutdown(fd, SHUT_RDWR));
}

// Without the C++ wrappers: this one is called per batch, and they cost as much as the CRC of a small one.
napi_value Crc32c(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  size_t count = 4;
  napi_typedarray_type type;
  size_t size;
  void* data;
  double start;
  double end;
  double seed;
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok ||
      napi_get_typedarray_info(env, arguments[0], &type, &size, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array || napi_get_value_double(env, arguments[1], &start) != napi_ok ||
      napi_get_value_double(env, arguments[2], &end) != napi_ok ||
      napi_get_value_double(env, arguments[3], &seed) != napi_ok) {
    napi_throw_type_error(env, nullptr, "vltava_native: a Uint8Array and three numbers were expected");
    return nullptr;
  }
  double result = -EINVAL;
  if (start >= 0 && start <= end && end <= static_cast<double>(size) && seed >= 0 && seed <= UINT32_MAX &&
      start == std::trunc(start) && end == std::trunc(end) && seed == std::trunc(seed)) {
    const size_t from = static_cast<size_t>(start);
    result = start == end ? seed
                          : vltava::Crc32c(static_cast<const uint8_t*>(data) + from, static_cast<size_t>(end) - from,
                                           static_cast<uint32_t>(seed));
  }
  napi_value number;
  return napi_create_double(env, result, &number) == napi_ok ? number : nullptr;
}

template <uint64_t (*Counter)()>
Napi::Value Count(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Counter()));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("mmap", Napi::Function::New<Mmap>(env));
  exports.Set("munmap", Napi::Function::New<Munmap>(env));
  exports.Set("sendfile", Napi::Function::New<Sendfile>(env));
  exports.Set("awaitWritable", Napi::Function::New<AwaitWritable>(env));
  exports.Set("fdatasync", Napi::Function::New<Fdatasync>(env));
  exports.Set("flock", Napi::Function::New<Flock>(env));
  exports.Set("dup", Napi::Function::New<Dup>(env));
  exports.Set("shutdown", Napi::Function::New<Shutdown>(env));
  exports.Set("mappedCount", Napi::Function::New<Count<vltava::MappedCount>>(env));
  exports.Set("mappedBytes", Napi::Function::New<Count<vltava::MappedBytes>>(env));
  exports.Set("sigbusCount", Napi::Function::New<Count<vltava::SigbusCount>>(env));
  napi_value crc32c;
  if (napi_create_function(env, "crc32c", NAPI_AUTO_LENGTH, Crc32c, nullptr, &crc32c) == napi_ok) {
    exports.Set("crc32c", crc32c);
  }
  napi_value send_function;
  if (napi_create_function(env, "send", NAPI_AUTO_LENGTH, Send, nullptr, &send_function) == napi_ok) {
    exports.Set("send", send_function);
  }
  return exports;
}

}  // namespace

NODE_API_MODULE(vltava_native, Init)
