# Writes build_id.cpp with a hash of the code that the programs of a build share: the static libraries and object files listed in the file FILES, one
# per line. The hash depends only on the contents of these files. The script runs when one of them has changed, and rewrites build_id.cpp only when
# the hash changes.
#   cmake -DFILES=build_id_files.txt -DTEMPLATE=build_id.cpp.in -DOUT=build_id.cpp -P BuildId.cmake
file(STRINGS ${FILES} files)
set(hashes "")
foreach(file ${files})
  file(SHA256 ${file} hash)
  string(APPEND hashes "${hash}\n")
endforeach()
string(SHA256 hash "${hashes}")
string(SUBSTRING ${hash} 0 16 build_id)
configure_file(${TEMPLATE} ${OUT} @ONLY)
