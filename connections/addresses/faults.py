"""The reasons why an address cannot be stored, each as the end of a sentence that begins `This address`."""

TWO_SCHEMES = "has two schemes"
UNCLEAR_AT_SIGN = (
    "has an @ of which it is not clear what stands before it; user name and password have fields"
)
SECOND_LOGIN = "has a second address in it, with a user name or a password"
CUT_IN_TWO = (
    "has a part without a key beside a password; put the password in quotes, or escape its signs as in %3B"
)
UNKNOWN_KEY = "has an unknown key behind a password without quotes, which may be the rest of the password"
PART_WITHOUT_KEY = "has a part without a key"
AMBIGUOUS = "can be read in more than one way"
INVISIBLE_CHARACTER = "has an invisible character"
CONTROL_CHARACTER = "has a line end or another control character"
BLANK = "has a blank in it; write it as %20"
BAD_HOST = "has a host that is none: letters, digits, dots and hyphens, and a port of digits"
BAD_USER_NAME = "has a user name with a sign of something else, such as / : ; or ="
NOT_AN_ENDPOINT = "begins neither with / or ? nor with http:// or https:// and a host"
NOT_AN_HTTP_URL = "does not begin with http:// or https:// and a host"
