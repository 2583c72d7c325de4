# Writes revision.hpp with the git revision of SOURCE, as "0123456789ab" or "0123456789ab-changed", or empty if SOURCE is not the root of a checkout.
# Runs at each build, but rewrites the file only when the revision changes.
#   cmake -DSOURCE=... -DTEMPLATE=revision.hpp.in -DOUT=revision.hpp -P Revision.cmake
set(revision "")
find_program(GIT git)
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --short=12 HEAD OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND ${GIT} -C ${SOURCE} --no-optional-locks status --porcelain --untracked-files=no OUTPUT_VARIABLE changes ERROR_QUIET)
  if(revision AND changes)
    string(APPEND revision "-changed")
  endif()
endif()
configure_file(${TEMPLATE} ${OUT} @ONLY)
