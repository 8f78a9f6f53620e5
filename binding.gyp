{
  # scripts/build-native.mjs runs this, never npm (package.json has "gypfile": false).
  "variables": {
    # So that the result runs on machines with an older libstdc++; "false" where the static one is not installed.
    "static_libstdcxx%": "true",
    # "false" for a compiler that finds fault where those known to us find none.
    "warnings_are_errors%": "true"
  },
  "targets": [{
    "target_name": "vltava_native",
    "sources": ["native/addon.cc", "native/crc32c.cc", "native/mapping.cc", "native/writable.cc"],
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "_FILE_OFFSET_BITS=64"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++17", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-exceptions"],
    "conditions": [
      ["warnings_are_errors=='true'", {
        "cflags_cc": ["-Werror"],
        "xcode_settings": { "GCC_TREAT_WARNINGS_AS_ERRORS": "YES" }
      }],
      ["OS=='linux' and static_libstdcxx=='true'", {
        "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL"]
      }],
      ["OS=='mac'", {
        "xcode_settings": {
          "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
          "GCC_OPTIMIZATION_LEVEL": "3",
          "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
          "MACOSX_DEPLOYMENT_TARGET": "11.0",
          "WARNING_CFLAGS": ["-Wall", "-Wextra"]
        }
      }]
    ]
  }]
}
